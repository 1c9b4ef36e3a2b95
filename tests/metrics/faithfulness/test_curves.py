import math

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.faithfulness.curves import (
    area_under_curve,
    insertion_deletion,
)
from figureground.metrics.faithfulness.scoring import Scoring
from figureground.metrics.faithfulness.sweep import Sweep, blurred

PROBABILITIES = Scoring("probabilities", batch_size=7)


@pytest.fixture
def setting():
    source = torch.Generator().manual_seed(6)
    weights = torch.randn(3, 2 * 4 * 5, generator=source)
    images = torch.rand(3, 2, 4, 5, generator=source)
    maps = torch.rand(3, 4, 5, generator=source)
    return lambda x: x.flatten(1) @ weights.T, images, maps


def slow_curve(score, start, end, *, order, step, label):
    """One image, one pixel after the other, written from the paper."""
    image, curve = start.clone(), []
    for count in range(len(order) + 1):
        if count % step == 0 or count == len(order):
            curve.append(score(image[None]).softmax(1)[0, label].item())
        if count < len(order):
            row, column = divmod(order[count], image.shape[-1])
            image[:, row, column] = end[:, row, column]
    return curve


@pytest.mark.parametrize("step", [1, 3, 5, 20, 50])
def test_curves_equal_a_loop_over_pixels(setting, step):
    score, images, maps = setting
    sweep = Sweep(step_pixels=step)
    found = insertion_deletion(score, images, maps, sweep=sweep, scoring=Scoring(batch_size=7))
    blur = blurred(images)
    assert len(found.fractions) == math.ceil(20 / step) + 1
    for i in range(3):
        order = sorted(range(20), key=lambda place: -maps[i].flatten()[place].item())
        options = {"order": order, "step": step, "label": score(images[i : i + 1]).argmax().item()}
        down = slow_curve(score, images[i], torch.zeros_like(images[i]), **options)
        up = slow_curve(score, blur[i], images[i], **options)
        assert found.deletion[i].tolist() == pytest.approx(down, abs=1e-5)
        assert found.insertion[i].tolist() == pytest.approx(up, abs=1e-5)


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (1, 2, 1, 1), (1, 1, 1, 1)])
def test_a_baseline_ends_deletion_and_starts_insertion(setting, shape):
    score, images, maps = setting
    baseline = torch.rand(shape, generator=torch.Generator().manual_seed(8))
    found = insertion_deletion(
        score, images, maps, baseline=baseline, sweep=Sweep(step_pixels=3, removed_value=0.9)
    )
    whole = baseline.expand_as(images)
    for i in range(3):
        order = sorted(range(20), key=lambda place: -maps[i].flatten()[place].item())
        options = {"order": order, "step": 3, "label": score(images[i : i + 1]).argmax().item()}
        down = slow_curve(score, images[i], whole[i], **options)
        up = slow_curve(score, whole[i], images[i], **options)
        assert found.deletion[i].tolist() == pytest.approx(down, abs=1e-5)
        assert found.insertion[i].tolist() == pytest.approx(up, abs=1e-5)


def test_area_is_the_trapezoid_rule():
    curves = torch.rand(4, 9, generator=torch.Generator().manual_seed(7))
    expected = np.trapezoid(curves.numpy(), dx=1 / 8, axis=1)
    assert np.allclose(area_under_curve(curves), expected)
    uneven = torch.tensor([0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.99, 1])
    expected = np.trapezoid(curves.numpy(), uneven.numpy(), axis=1)
    assert np.allclose(area_under_curve(curves, uneven), expected)
    with pytest.raises(ShapeError, match="two points"):
        area_under_curve(curves[:, :1])


def test_only_the_order_of_values_counts(setting):
    score, images, maps = setting
    once, again = (insertion_deletion(score, images, some) for some in (maps, maps.exp() ** 3))
    assert torch.equal(once.insertion, again.insertion)
    assert torch.equal(once.deletion, again.deletion)


def test_the_true_map_beats_its_reverse_by_far():
    figure = torch.zeros(2, 6, 8)
    figure[:, 1:3, 2:6] = 1
    images = 0.9 * figure[:, None]

    def score(x):
        inside = x[:, 0, 1:3, 2:6].mean((1, 2))
        return torch.stack([inside, 1 - inside], 1)

    zeros = torch.zeros(2, dtype=torch.long)
    right, wrong = (
        insertion_deletion(score, images, maps, classes=zeros, scoring=PROBABILITIES)
        for maps in (figure, 1 - figure)
    )
    assert (area_under_curve(right.deletion) < 0.15).all()
    assert (area_under_curve(wrong.deletion) > 0.6).all()
    assert (area_under_curve(right.insertion) > 0.75).all()
    assert (area_under_curve(wrong.insertion) < 0.4).all()


def test_each_image_costs_one_clean_pass_and_two_sweeps(setting):
    score, images, maps = setting
    seen = []

    def counting(x):
        seen.append(len(x))
        return score(x)

    found = insertion_deletion(counting, images, maps, scoring=Scoring(batch_size=4))
    steps = len(found.fractions) - 1
    assert steps == 4  # one image row per step
    assert sum(seen) == 3 * (1 + 2 * steps)
    assert max(seen) <= 4


def test_ends_are_the_clean_the_empty_and_the_blurred_image(setting):
    score, images, maps = setting
    classes = torch.tensor([2, 0, 1])
    grey = Sweep(removed_value=0.5)
    found = insertion_deletion(score, images, maps, classes=classes, sweep=grey)
    rows = torch.arange(3)
    clean = score(images).softmax(1)[rows, classes]
    assert torch.allclose(found.deletion[:, 0], clean)
    assert torch.allclose(found.insertion[:, -1], clean)
    empty = score(torch.full_like(images, 0.5)).softmax(1)[rows, classes]
    assert torch.allclose(found.deletion[:, -1], empty)
    hidden = score(blurred(images)).softmax(1)[rows, classes]
    assert torch.allclose(found.insertion[:, 0], hidden)


def test_small_maps_are_resized_to_the_image(setting):
    score, images, _ = setting
    small = torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(9))
    grown = torch.nn.functional.interpolate(small[:, None], (4, 5), mode="bilinear")[:, 0]
    first, second = (insertion_deletion(score, images, maps) for maps in (small, grown))
    assert torch.equal(first.insertion, second.insertion)
    assert torch.equal(first.deletion, second.deletion)


def test_blank_maps_are_undefined(setting):
    score, images, maps = setting
    maps = maps.clone()
    maps[1] = 0
    found = insertion_deletion(score, images, maps, sweep=Sweep(step_pixels=4))
    for curves in (found.insertion, found.deletion):
        assert area_under_curve(curves).isnan().tolist() == [False, True, False]


def test_impossible_sweeps_are_refused():
    with pytest.raises(OptionError, match="step_pixels"):
        Sweep(step_pixels=0)
    with pytest.raises(OptionError, match="odd side"):
        Sweep(blur_side=10)
