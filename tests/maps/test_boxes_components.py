"""Regions at every threshold from one pass, against labelling mask by mask."""

import numpy as np
import pytest
from scipy import ndimage

import figureground.maps.components as components_module
from figureground.base.errors import OptionError
from figureground.maps.component_tree import component_tree
from figureground.maps.components import components_above
from figureground.maps.contours import filled_area


def rows_by_labelling(counts, thresholds, connectivity):
    """Threshold, first pixel, box and either pixels or doubled area and holes of each region."""
    width = counts.shape[1]
    shape = np.ones((3, 3)) if connectivity == 8 else None
    rows = []
    for threshold in range(thresholds):
        labels, count = ndimage.label(counts > threshold, structure=shape)
        for label in range(1, count + 1):
            mask = labels == label
            y, x = np.nonzero(mask)
            padded = np.pad(mask, 1)
            window = np.sum(
                [padded[i : i + len(mask) + 1, j : j + width + 1] for i in (0, 1) for j in (0, 1)],
                axis=0,
            )
            doubled = (window == 3).sum() + 2 * (window == 4).sum()
            sizes = (
                (doubled, ndimage.label(~padded)[1] - 1) if connectivity == 8 else (mask.sum(), 0)
            )
            corners = (x.min(), y.min(), x.max(), y.max())
            rows.append(tuple(int(v) for v in (threshold, y[0] * width + x[0], *corners, *sizes)))
    return sorted(rows)


def rows_of(regions):
    columns = (regions.threshold, regions.first, *regions.box.T, regions.size, regions.holes)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("connectivity", [4, 8])
def test_regions_equal_labelling_mask_by_mask(connectivity):
    rng = np.random.default_rng(connectivity)
    for _ in range(80):
        thresholds = int(rng.integers(1, 6))
        counts = rng.integers(0, thresholds + 1, rng.integers(1, 14, 2))
        regions = components_above(
            counts, counts, thresholds, connectivity=connectivity, areas=connectivity == 8
        )
        assert rows_of(regions) == rows_by_labelling(counts, thresholds, connectivity)


def test_finer_heights_change_no_region():
    rng = np.random.default_rng(0)
    heights = rng.integers(0, 60_000, (20, 23))
    counts = heights // 10_000
    coarse = components_above(counts, counts, 5, areas=True)
    assert rows_of(coarse) == rows_of(components_above(counts, heights, 5, areas=True))


def test_thresholds_taken_a_few_at_a_time_give_the_same_regions(monkeypatch):
    counts = np.random.default_rng(1).integers(0, 9, (15, 12))
    whole = rows_of(components_above(counts, counts, 8, areas=True))
    monkeypatch.setattr(components_module, "_CELLS_AT_ONCE", 600)
    assert rows_of(components_above(counts, counts, 8, areas=True)) == whole


def test_there_is_one_join_fewer_than_summits_in_a_connected_map():
    heights = np.random.default_rng(2).integers(1, 200, (18, 25))
    tree = component_tree(heights, heights)
    assert len(tree.joins) == tree.hills - 2  # hill 0 is none
    levels = [height for height, _, _ in tree.joins]
    assert levels == sorted(levels, reverse=True)


def test_filled_area_of_a_region_equals_the_area_inside_its_outline():
    diamond = np.abs(np.arange(-3, 4))[:, None] + np.abs(np.arange(-3, 4)) == 3
    assert filled_area(diamond) == 2 * 18  # diagonals of 6: 6 * 6 / 2 squares


def test_polygon_areas_are_for_eight_neighbours_only():
    counts = np.ones((3, 3), dtype=np.int64)
    with pytest.raises(OptionError, match="8 neighbours"):
        components_above(counts, counts, 1, connectivity=4, areas=True)
    with pytest.raises(OptionError, match="no connectivity '6'"):
        components_above(counts, counts, 1, connectivity=6)
