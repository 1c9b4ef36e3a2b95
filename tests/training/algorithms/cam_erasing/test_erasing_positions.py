"""The conditional law of a rectangle's place against lists of all places."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from figureground.training.algorithms.cam_erasing import ErasingOptions
from figureground.training.algorithms.cam_erasing.positions import (
    box_sums,
    draw_corners,
    fitting_positions,
    likely_positions,
)

HEIGHT, WIDTH = 8, 6


@pytest.fixture
def bytes_():
    """Maps of whole 255ths, so that the list of places can be made with whole numbers."""
    return np.random.default_rng(0).integers(0, 256, (12, HEIGHT, WIDTH))


@pytest.fixture
def shapes():
    pairs = [(1 + n % 5, 1 + n % 4) for n in range(12)]
    return torch.tensor(pairs).T.contiguous()


def score(levels, top, left, *, shape, options):
    """Numerator and denominator of a position's score in [0, 1]."""
    h, w = shape
    part = levels[top : top + h, left : left + w]
    if options.rule == "mean":
        return int(part.sum()), 255 * h * w
    if options.rule == "centre":
        return int(levels[top + h // 2, left + w // 2]), 255
    return int((part / 255 >= options.threshold).sum()), h * w


def listed(levels, shape, options):
    """All allowed corners, by trying every one."""
    h, w = shape
    scores = {
        place: score(levels, *place, shape=shape, options=options)
        for place in product(range(HEIGHT - h + 1), range(WIDTH - w + 1))
    }
    if options.threshold_mode == "quantile":
        ranked = sorted(top for top, _ in scores.values())
        low = math.ceil(options.threshold * len(ranked) - 1e-9)
        high = {place for place, (top, _) in scores.items() if not low or top > ranked[low - 1]}
    else:
        share = options.min_overlap if options.rule == "overlap" else options.threshold
        high = {place for place, (top, whole) in scores.items() if top >= share * whole}
    chosen = high if options.region == "object" else scores.keys() - high
    if chosen:
        return set(chosen)
    best = (max if options.region == "object" else min)(top for top, _ in scores.values())
    return {place for place, (top, _) in scores.items() if top == best}


@pytest.mark.parametrize("region", ["object", "away"])
@pytest.mark.parametrize(
    ("rule", "mode"),
    [("mean", "abs"), ("mean", "quantile"), ("centre", "abs"), ("centre", "quantile"), ("overlap", "abs")],
)  # fmt: skip
@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_allowed_positions_equal_the_list_of_all(bytes_, shapes, region, rule, mode, threshold):
    options = ErasingOptions(region=region, rule=rule, threshold_mode=mode, threshold=threshold)
    maps = torch.from_numpy(bytes_ / 255).float()
    allowed = likely_positions(maps, shapes, options)
    for n in range(12):
        found = {(top, left) for top, left in allowed[n].nonzero().tolist()}
        assert found == listed(bytes_[n], tuple(shapes[:, n].tolist()), options)


def test_without_a_position_above_the_threshold_the_best_ones_remain():
    maps = torch.zeros(1, 4, 4)
    maps[0, 1, 2] = maps[0, 3, 0] = 0.3
    one = torch.tensor([[1], [1]])
    found = likely_positions(maps, one, ErasingOptions(threshold=0.9, threshold_mode="abs"))
    assert found[0].nonzero().tolist() == [[1, 2], [3, 0]]


def test_of_a_blank_map_with_one_spot_the_object_is_what_touches_the_spot():
    maps = torch.zeros(1, 6, 6)
    maps[0, 2, 3] = 0.01
    allowed = likely_positions(maps, torch.tensor([[2], [2]]), ErasingOptions(threshold=0.3))
    assert allowed[0].nonzero().tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]


def test_object_and_away_part_the_positions_at_a_quantile(bytes_, shapes):
    maps = torch.from_numpy(bytes_ / 255).float()
    sides = [
        likely_positions(
            maps, shapes, ErasingOptions(region=region, threshold_mode="quantile", threshold=0.4)
        )
        for region in ("object", "away")
    ]
    assert not (sides[0] & sides[1]).any()
    assert torch.equal(sides[0] | sides[1], fitting_positions(shapes, (HEIGHT, WIDTH)))


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 0.7, 1.0])
@pytest.mark.parametrize("region", ["object", "away"])
@pytest.mark.parametrize("mode", ["abs", "quantile"])
@pytest.mark.parametrize("rule", ["mean", "centre"])
def test_under_a_constant_map_every_position_is_allowed(shapes, value, region, mode, rule):
    maps = torch.full((12, HEIGHT, WIDTH), value)
    options = ErasingOptions(region=region, threshold_mode=mode, rule=rule)
    wanted = fitting_positions(shapes, (HEIGHT, WIDTH))
    assert torch.equal(likely_positions(maps, shapes, options), wanted)


def test_each_allowed_position_is_drawn_equally_often(bytes_):
    options = ErasingOptions(threshold_mode="abs")
    count = 20_000
    maps = torch.from_numpy(bytes_[:1] / 255).float()
    shape = torch.tensor([[3], [2]])
    allowed = likely_positions(maps, shape, options)
    wanted = sorted(listed(bytes_[0], (3, 2), options))
    assert 5 < len(wanted) < 30
    drawn = draw_corners(allowed.expand(count, -1, -1), generator=torch.Generator().manual_seed(0))
    counts = dict.fromkeys(wanted, 0)
    for top, left in drawn.T.tolist():
        counts[top, left] += 1
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_draws_of_different_images_are_independent():
    allowed = torch.ones(40_000, 1, 3, dtype=torch.bool)
    _, left = draw_corners(allowed, generator=torch.Generator().manual_seed(1))
    pairs = left[0::2] * 3 + left[1::2]
    assert chisquare(np.bincount(pairs.numpy(), minlength=9)).pvalue > 1e-3


def test_sums_over_rectangles_equal_a_loop(bytes_, shapes):
    found = box_sums(torch.from_numpy(bytes_), shapes)
    for n, (h, w) in enumerate(shapes.T.tolist()):
        for top, left in product(range(HEIGHT), range(WIDTH)):
            assert int(found[n, top, left]) == bytes_[n, top : top + h, left : left + w].sum()
