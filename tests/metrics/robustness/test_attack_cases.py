"""Attacks as they are typed."""

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.metrics.robustness.attack_cases import AttackCase, attack_cases
from figureground.metrics.robustness.attacks import fgsm
from figureground.metrics.robustness.deepfool import LTS4, deepfool_trace


def score(images: torch.Tensor) -> torch.Tensor:
    """Two classes, decided by the mean; boundary at 0.5."""
    mean = images.mean((1, 2, 3))
    return torch.stack([mean, 1 - mean], 1)


IMAGES = torch.full((2, 1, 2, 3), 0.75)
LABELS = torch.tensor([0, 0])


def test_each_name_meets_each_strength_and_own_strengths_win():
    names = [case.name for case in attack_cases(["fgsm", "uniform:0.3", "deepfool"], [0.1, 0.2])]
    assert names == ["fgsm 0.1", "fgsm 0.2", "uniform-noise 0.3", "deepfool"]


def test_strength_reaches_the_attack():
    (case,) = attack_cases(["fgsm:0.125"])
    attacked = case.run(score, IMAGES, LABELS, seed=0)
    assert torch.equal(attacked.images, fgsm(score, IMAGES, LABELS, epsilon=0.125))
    assert attacked.iterations.tolist() == [-1, -1]


def test_any_callable_is_an_attack():
    (case,) = attack_cases([("black", lambda score, images, labels: torch.zeros_like(images))])
    assert case.name == "black"
    assert case.run(score, IMAGES, LABELS, seed=0).images.abs().max() == 0


def test_noise_is_the_same_for_one_seed_and_another_for_the_next():
    (case,) = attack_cases(["gaussian:0.1"])
    first, again, other = (case.run(score, IMAGES, LABELS, seed=seed).images for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_deepfool_tells_its_iterations_and_its_published_form_may_leave_the_range():
    clipped, free = attack_cases(["deepfool", "deepfool-lts4"])
    white = torch.ones(1, 1, 2, 3)
    flip = lambda images: score(images).flip(1) * torch.tensor([1.0, 0.999])  # noqa: E731
    assert clipped.run(score, IMAGES, LABELS, seed=0).iterations.tolist() == [1, 1]
    found = free.run(flip, white, LABELS[:1], seed=0)
    assert torch.equal(found.images, deepfool_trace(flip, white, options=LTS4).images)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fgsn"], "no attack 'fgsn'; closest: 'fgsm'"),
        (["fgsm:much"], "the strength in 'fgsm:much' is not a number"),
        (["deepfool:0.1"], "deepfool takes no strength"),
        ([], "no attack asked for"),
        (["fgsm:0.1", "FGSM:0.10"], "asked for twice"),
    ],
)
def test_what_cannot_be_run_is_refused(words: list[str], message: str):
    with pytest.raises(OptionError, match=message):
        attack_cases(words)


def test_ready_cases_pass_through():
    case = AttackCase("mine", fgsm)
    assert attack_cases([case]) == [case]
