"""RISE against loops, and against the exact expectation of a linear score."""

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.methods import RISE, Explainer
from figureground.methods.rise import random_masks, rise


def numbers(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_equals_loops_over_pixels_and_masks():
    masks, scores = torch.rand(7, 3, 4, generator=numbers()), torch.rand(7, 2, generator=numbers(1))
    found, error = rise(masks, scores)
    for k in range(2):
        for i in range(3):
            for j in range(4):
                seen = [float(m[i, j]) for m in masks]
                told = [float(s[k]) for s in scores]
                mean = sum(a * b for a, b in zip(seen, told, strict=True)) / sum(seen)
                spread = sum((a * (b - mean)) ** 2 for a, b in zip(seen, told, strict=True))
                assert float(found[k, i, j]) == pytest.approx(mean, rel=1e-5)
                assert float(error[k, i, j]) == pytest.approx(spread**0.5 / sum(seen), rel=1e-4)


def test_approaches_the_exact_expectation_of_a_linear_score_as_its_error_says():
    x, v = torch.rand(6, 8, generator=numbers()), torch.randn(6, 8, generator=numbers(1))
    share, bias, count = 0.5, 0.3, 1000
    exact = share * (v * x).sum() + (1 - share) * v * x + bias
    off, errors, plain = [], [], []
    for seed in range(30):
        masks = (torch.rand(count, 6, 8, generator=numbers(seed)) < share).float()
        scores = (masks * v * x).sum((1, 2))[:, None] + bias
        found, error = rise(masks, scores)
        off.append(found[0] - exact)
        errors.append(error[0])
        plain.append(torch.einsum("m,mhw->hw", scores[:, 0], masks) / (count * share) - exact)
    squares = torch.stack(off).square()
    assert float((squares / torch.stack(errors).square()).mean()) == pytest.approx(1, abs=0.25)
    # the paper's division by the expected sum of the masks is further away
    assert torch.stack(plain).square().mean() > 1.1 * squares.mean()


def test_a_pixel_that_no_mask_shows_has_no_value():
    masks = torch.tensor([[[1.0, 0.0]], [[0.5, 0.0]]])
    found, error = rise(masks, torch.tensor([[0.4], [0.4]]))
    assert found[0].tolist() == [[pytest.approx(0.4), 0.0]]
    assert error[0].tolist() == [[pytest.approx(0, abs=1e-6), 0.0]]


def test_masks_are_smooth_and_lie_between_zero_and_one():
    masks = random_masks(500, (24, 17), cells=4, share=0.3, generator=numbers())
    assert masks.shape == (500, 24, 17)
    assert float(masks.min()) >= 0
    assert float(masks.max()) <= 1 + 1e-6
    assert float(masks.mean()) == pytest.approx(0.3, abs=0.02)
    assert float((masks[:, 1:] - masks[:, :-1]).abs().max()) <= 4 / 24 + 1e-5
    shifts = random_masks(500, (24, 17), cells=1, share=0.5, generator=numbers())
    assert float((shifts - shifts.round()).abs().max()) < 1e-6


def test_maps_are_those_of_the_masks_of_its_seed(max_head, two_images):
    method = RISE(masks=70, cells=3, share=0.4, seed=5)
    result = Explainer(max_head, layer="body")(two_images, [0, 3], method)
    generator = numbers(5)
    masks = torch.cat(
        [random_masks(count, (12, 9), cells=3, share=0.4, generator=generator) for count in (64, 6)]
    )
    for n, image in enumerate(two_images):
        with torch.no_grad():
            scores = torch.cat([max_head((image * m)[None]).softmax(1) for m in masks])[:, [0, 3]]
        wanted, error = rise(masks, scores)
        torch.testing.assert_close(result.map_of("rise")[n], wanted, rtol=1e-4, atol=1e-6)
        found = result.details["rise"]["body"][0].std_error[n]
        torch.testing.assert_close(found, error, rtol=1e-3, atol=1e-6)
    other = Explainer(max_head, layer="body")(two_images, [0, 3], RISE(70, 3, 0.4, seed=6))
    assert not torch.allclose(other.map_of("rise"), result.map_of("rise"))


def test_more_masks_mean_a_smaller_error(max_head, two_images):
    explainer = Explainer(max_head, layer="body")
    few, many = (
        explainer(two_images, 1, RISE(count, cells=3)).details["rise"]["body"][0].std_error.mean()
        for count in (100, 1600)
    )
    assert float(few / many) == pytest.approx(4, rel=0.3)


def test_a_trial_costs_little():
    assert RISE(seed=3).trial() == RISE(16, seed=3)
    assert RISE().forwards(1, 1, 1) == 4000


@pytest.mark.parametrize(
    "options", [{"masks": 0}, {"cells": 0}, {"share": 0.0}, {"share": 1.0}, {"baseline": "noise"}]
)
def test_what_cannot_be_is_refused(options):
    with pytest.raises(OptionError):
        RISE(**options)
