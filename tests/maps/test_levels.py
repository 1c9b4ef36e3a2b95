"""A map as counts of thresholds, against counting them one by one."""

import numpy as np
import pytest

from figureground.maps.component_tree import map_levels

SHARES = np.array([0.5, 0.0, 0.25, 0.5, 0.999, 0.001])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_counts_of_a_cut_map_are_those_of_its_grey_levels(kind):
    values = (np.random.default_rng(0).random((9, 13)) * 0.7).astype(kind)
    levels = map_levels(values, SHARES, clova=True)
    grey = (values * kind(255)).astype(np.uint8)
    cuts = sorted({int(share * grey.max()) for share in SHARES})
    assert levels.distinct == len(cuts)
    assert [cuts[at] for at in levels.which] == [int(share * grey.max()) for share in SHARES]
    np.testing.assert_array_equal(levels.counts, sum((grey > cut).astype(int) for cut in cuts))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_counts_of_an_exact_map_are_those_of_its_values(kind):
    values = (np.random.default_rng(1).random((9, 13)) * 5 - 1).astype(kind)
    levels = map_levels(values, SHARES, clova=False)
    cuts = sorted({float(kind(share) * values.max()) for share in SHARES})
    np.testing.assert_array_equal(levels.counts, sum((values > cut).astype(int) for cut in cuts))


@pytest.mark.parametrize("clova", [False, True])
def test_heights_never_contradict_counts(clova):
    values = np.random.default_rng(2).random((20, 30)).astype(np.float32)
    for levels in (one := map_levels(values, SHARES, clova=clova), one.upside_down()):
        counts, heights = levels.counts.ravel(), levels.heights.ravel()
        order = np.argsort(heights, kind="stable")
        assert (np.diff(counts[order].astype(int)) >= 0).all()
        assert len(np.unique(heights)) > levels.distinct + 1


def test_upside_down_is_above_where_the_map_is_not():
    values = np.random.default_rng(3).random((6, 7))
    levels = map_levels(values, SHARES, clova=True)
    ground = levels.upside_down()
    for at in range(levels.distinct):
        below = ground.counts > levels.distinct - 1 - at
        np.testing.assert_array_equal(below, levels.counts <= at)
