"""Regions at every threshold from the component tree of a map, against labelling mask by mask."""

import numpy as np
import pytest
from scipy import ndimage

from figureground.maps.component_tree import build_component_tree
from figureground.maps.threshold_boxes import every_region, largest_outlines, largest_regions


def labelled(mask, connectivity=8):
    """The regions of one mask, each as a mask, in reading order."""
    shape = np.ones((3, 3)) if connectivity == 8 else None
    labels, count = ndimage.label(mask, structure=shape)
    return [labels == label for label in range(1, count + 1)]


def corners(region):
    """Inclusive x0 y0 x1 y1."""
    y, x = np.nonzero(region)
    return (int(x.min()), int(y.min()), int(x.max()), int(y.max()))


def outlined(region):
    """Twice the area of the polygon through the centres of the border pixels, holes filled."""
    # a window of 2 x 2 pixels holds a whole square of it where four are present, half of one where three are
    layout, _ = ndimage.label(~np.pad(region, 1))
    filled = (layout != layout[0, 0]).astype(int)
    window = filled[1:, 1:] + filled[1:, :-1] + filled[:-1, 1:] + filled[:-1, :-1]
    return int((window == 3).sum() + 2 * (window == 4).sum())


def maps_of_few_levels(number, seed):
    """Noise, smooth hills and mazes, as counts of a few thresholds."""
    rng = np.random.default_rng(seed)
    for at in range(number):
        thresholds = int(rng.integers(1, 7))
        raw = rng.random(rng.integers(1, 24, 2))
        if at % 3:
            raw = ndimage.gaussian_filter(raw, at % 3 * 0.7)
        raw -= raw.min()
        yield (raw / max(raw.max(), 1e-9) * thresholds).astype(np.uint8), thresholds


@pytest.mark.parametrize("connectivity", [4, 8])
def test_all_regions_equal_labelling_mask_by_mask(connectivity):
    for counts, thresholds in maps_of_few_levels(120, connectivity):
        tree = build_component_tree(counts, counts, connectivity=connectivity)
        threshold, boxes = every_region(tree, thresholds)
        found = [(int(at), *box) for at, box in zip(threshold, boxes.tolist(), strict=True)]
        expected = [
            (at, *corners(region))
            for at in range(thresholds)
            for region in labelled(counts > at, connectivity)
        ]
        assert sorted(found) == sorted(expected)
        assert (np.diff(threshold) <= 0).all()


@pytest.mark.parametrize("connectivity", [4, 8])
def test_the_largest_region_is_the_first_of_those_with_most_pixels(connectivity):
    for counts, thresholds in maps_of_few_levels(120, 10 + connectivity):
        tree = build_component_tree(counts, counts, connectivity=connectivity)
        for at, box in enumerate(largest_regions(tree, thresholds).tolist()):
            regions = labelled(counts > at, connectivity)
            expected = max(regions, key=np.sum, default=None)  # max keeps the first of equals
            assert tuple(box) == (-1,) * 4 if expected is None else corners(expected)


def test_the_largest_outline_is_the_last_of_those_with_most_area():
    for counts, thresholds in maps_of_few_levels(200, 20):
        boxes = largest_outlines(build_component_tree(counts, counts), thresholds).tolist()
        for at, box in enumerate(boxes):
            regions = labelled(counts > at)[::-1]
            expected = max(regions, key=outlined, default=None)
            assert tuple(box) == ((-1,) * 4 if expected is None else corners(expected))


def test_finer_heights_change_no_region():
    heights = np.random.default_rng(0).integers(0, 60_000, (20, 23))
    counts = heights // 10_000
    coarse, fine = build_component_tree(counts, counts), build_component_tree(counts, heights)
    assert fine.number != coarse.number
    assert largest_outlines(coarse, 5).tolist() == largest_outlines(fine, 5).tolist()
    assert largest_regions(coarse, 5).tolist() == largest_regions(fine, 5).tolist()
    rows = [np.column_stack(every_region(tree, 5)) for tree in (coarse, fine)]
    assert sorted(rows[0].tolist()) == sorted(rows[1].tolist())


def test_a_spiral_encloses_next_to_nothing():
    counts = np.zeros((11, 13), dtype=np.uint8)
    counts[1, 1:12] = counts[1:10, 11] = counts[9, 1:12] = counts[3:10, 1] = 1
    counts[3, 1:10] = counts[3:8, 9] = 1
    counts[5:8, 3:8] = 1  # 15 pixels, 8 squares; the spiral has 51 and half a square at each corner
    tree = build_component_tree(counts, counts)
    assert largest_outlines(tree, 1).tolist() == [[3, 5, 7, 7]]
    assert largest_regions(tree, 1).tolist() == [[1, 1, 11, 9]]


def test_no_threshold_is_exceeded_by_a_map_of_zeros():
    tree = build_component_tree(np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.uint8))
    assert largest_outlines(tree, 2).tolist() == [[-1] * 4] * 2
    assert largest_regions(tree, 2).tolist() == [[-1] * 4] * 2
    assert every_region(tree, 2)[1].shape == (0, 4)
