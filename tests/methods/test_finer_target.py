"""Finer-CAM's target against loops, an independent program's numbers, and laws of it."""

import math

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from figureground.base.errors import OptionError
from figureground.methods import Explainer, find_methods, finer
from figureground.methods.targets import resolve_targets
from figureground.models.lenet_gap import LeNetGAP

MEAN = """
.09084 0 0 .00932 0 0 .01069 .08932 .20383 .10590 .23551 .20640 .21138 .09001 .00888 .10685 .21931 .14087 .17954 .28864
0 .10492 0 .29419 .16953 0 .33575 .10057 .15898 .03771 .24527 .13552 .22458 .08169 0
"""
PROBABILITY = """
.06446 0 0 0 0 0 0 .12872 .16628 .09094 .06081 0 0 0 .01165 .07329 .17175 .13268 .14997 .16185 0 .08835 0 .19868 .18412
0 .11825 .04069 .14499 .04562 .24294 .04588 .26820 .20576 0
"""
LOGITS = torch.tensor([[0.0, 3.0, 1.0, 2.0, 2.5], [5.0, 1.0, 4.0, 0.5, 5.5]])
IMAGES = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def network(outputs: int = 5) -> nn.Sequential:
    """With a head that is not linear in the maps."""
    torch.random.manual_seed(1)
    above = [nn.Flatten(), nn.Linear(140, 6), nn.Tanh(), nn.Linear(6, outputs)]
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *above)


def by_hand(row: list[float], own: int, *, count: int, alpha: float, shared: bool) -> list[float]:
    others = sorted((abs(y - row[own]), d) for d, y in enumerate(row) if d != own)[:count]
    shares = {d: 1.0 if shared else math.exp(row[d]) for _, d in others}
    total = sum(shares.values())
    return [1.0 if d == own else -alpha * shares.get(d, 0) / total for d in range(len(row))]


@pytest.mark.parametrize(("weights", "numbers"), [("mean", MEAN), ("probability", PROBABILITY)])
def test_equals_the_float64_program(shared_data, weights, numbers):
    net = LeNetGAP()
    stored = load_file(shared_data / "weights/lenet_gap_cluttered_mnist.safetensors")
    net.load_state_dict(stored, strict=False)
    net.classifier.weight.data /= 100
    i, j = torch.meshgrid(torch.arange(20), torch.arange(28), indexing="ij")
    image = (((7 * i + 11 * j + i * j) % 23) / 22).expand(1, 3, 20, 28)
    found = Explainer(net, layer="pool")(image, finer(8, weights=weights), "grad-cam")
    expected = torch.tensor([float(word) for word in numbers.split()]).view(5, 7)
    torch.testing.assert_close(found.map_of("grad-cam")[0, 0], expected, rtol=1e-4, atol=1e-5)
    assert found.label(0, 0) == "8"


@pytest.mark.parametrize("weights", ["probability", "mean"])
def test_the_nearest_classes_share_what_is_taken_off(weights):
    target = finer(torch.tensor([[1, 0], [4, 3]]), count=2, alpha=0.6, weights=weights)
    found = resolve_targets(target, LOGITS).directions.dense
    assert found is not None
    for image, classes in enumerate(([1, 0], [4, 3])):
        for k, own in enumerate(classes):
            row = LOGITS[image].tolist()
            shared = weights == "mean"
            expected = torch.tensor(by_hand(row, own, count=2, alpha=0.6, shared=shared))
            torch.testing.assert_close(found[image, k], expected)


def test_the_default_is_the_predicted_class_against_three():
    found = resolve_targets(finer(), LOGITS)
    assert found.classes is not None
    assert found.classes.tolist() == [[1], [4]]
    assert found.directions.dense is not None
    assert (found.directions.dense < 0).sum(2).tolist() == [[3], [3]]
    assert (resolve_targets(finer(count=9), LOGITS).score(LOGITS) != 0).all()  # all four others


def test_names_and_given_classes():
    names = {"cat": 2, "dog": 3}.__getitem__
    found = resolve_targets(finer(["cat", 0], against="dog"), LOGITS, names)
    expected = torch.stack([LOGITS[:, 2] - LOGITS[:, 3], LOGITS[:, 0] - LOGITS[:, 3]], 1)
    torch.testing.assert_close(found.score(LOGITS), expected)


def test_alpha_zero_is_the_class_for_methods_of_every_kind():
    explainer, methods = Explainer(network(), layer="1"), ["hires-cam", "ablation-cam"]
    plain, other = (explainer(IMAGES, asked, methods) for asked in ("top2", finer("top2", alpha=0)))
    for name in methods:
        torch.testing.assert_close(plain.map_of(name), other.map_of(name))
    different = explainer(IMAGES, finer("top2"), methods)
    assert (different.map_of("hires-cam") - plain.map_of("hires-cam")).abs().amax((2, 3)).min() > 0


def test_the_others_stay_those_of_the_clean_image_under_changes():
    found = resolve_targets(finer(count=1), LOGITS).of_image(0)  # 1 against 4
    changes = torch.rand(6, 5, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found.score(changes)[:, 0], changes[:, 1] - changes[:, 4])
    torch.testing.assert_close(found.probability(changes), found.score(changes))


def test_two_classes_differ_by_their_difference():
    explainer = Explainer(network(2), layer="1")
    found = explainer(IMAGES, finer([0]), "hires-cam").map_of("hires-cam")
    expected = explainer(IMAGES, lambda z: z[:, 0] - z[:, 1], "hires-cam").map_of("hires-cam")
    torch.testing.assert_close(found, expected)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(OptionError, match="count is 1 or more"):
        finer(count=0)
    with pytest.raises(OptionError, match="weights are probability or mean, not 'softmax'"):
        finer(weights="softmax")
    with pytest.raises(OptionError, match="told from itself"):
        resolve_targets(finer([2, 1], against=[3, 1]), LOGITS)
    with pytest.raises(OptionError, match="one logit"):
        resolve_targets(finer(), LOGITS[:, :1])
    with pytest.raises(OptionError, match="class 7 does not exist"):
        resolve_targets(finer(against=7), LOGITS)


def test_as_a_method_it_says_how_to_ask_for_it():
    for name in ("finer-cam", "FinerCAM"):
        with pytest.raises(OptionError, match="--methods grad-cam --target finer"):
            find_methods(name)
