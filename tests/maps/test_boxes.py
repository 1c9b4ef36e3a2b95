"""Boxes from maps, against the rule as published and against OpenCV's contours."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from figureground.base.errors import MapError, OptionError
from figureground.maps.boxes import (
    boxes_from_map,
    largest_component_box,
)

SHARES = np.arange(0, 1, 0.01)
# the two maps of the published evaluation code's own tests
ONE_PEAK = np.array(
    [[0, 0, 0, 0, 0], [0, 0.4, 0.4, 0.4, 0.6], [0, 0.4, 1, 0.8, 0.6], [0, 0.4, 0.4, 0.4, 0.6]]
)
MANY_PEAKS = np.array(
    [[0.4, 0, 0.2, 0.2, 0.2], [0.4, 0.4, 0, 0.4, 0], [0, 0, 0, 0.4, 0], [1, 0.6, 0.8, 0.2, 0.2]]
)


def opencv_boxes(one_map, shares, *, multi=False):
    """The published rule, with OpenCV: all boxes at each share of the maximum."""
    grey = (one_map * 255).astype(np.uint8)
    height, width = grey.shape
    found = []
    for share in shares:
        _, mask = cv2.threshold(grey, int(share * grey.max()), 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        kept = contours if multi else [max(contours, key=cv2.contourArea)] if contours else []
        sides = [cv2.boundingRect(contour) for contour in kept]
        boxes = [(x, y, min(x + w, width - 1), min(y + h, height - 1)) for x, y, w, h in sides]
        found.append(boxes or [(0, 0, 0, 0)])
    return found


def unit(values):
    """Min-max normalised float32."""
    values = np.asarray(values - values.min())
    return (values / max(float(values.max()), 1e-9)).astype(np.float32)


def maps_of_many_kinds(count: int, *, seed: int, largest: int) -> Iterator[np.ndarray]:
    """Noise, few levels, upsampled grids, blobs, ReLU'd blobs, black and white."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        height, width = (int(side) for side in rng.integers(1, largest, 2))
        yield unit(one_of(number % 6, rng, (height, width)))


def one_of(kind, rng, size):
    """A raw map of one of six kinds."""
    raw = rng.random(size)
    if kind == 1:
        raw = rng.integers(0, int(rng.integers(2, 8)), size).astype(float)
    elif kind == 2:
        coarse = rng.random((int(rng.integers(2, 9)), int(rng.integers(2, 9))))
        raw = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    elif kind in {3, 4}:
        raw = cv2.GaussianBlur(rng.standard_normal(size), (5, 5), 1.2)
    elif kind == 5:
        raw = np.where(raw < rng.uniform(0.2, 0.7), 1.0, 0.0)
    return np.maximum(raw, 0) if kind == 4 else raw


def as_rows(boxes):
    return [tuple(int(value) for value in box) for box in boxes]


@pytest.mark.parametrize(
    ("one_map", "expected"),
    [
        (ONE_PEAK, [(1, 1, 4, 3), (1, 1, 4, 3), (2, 1, 4, 3), (2, 2, 4, 3), (2, 2, 3, 3)]),
        (MANY_PEAKS, [(0, 0, 4, 3), (0, 0, 2, 2), (0, 3, 3, 3), (2, 3, 3, 3), (0, 3, 1, 3)]),
    ],
)
def test_boxes_are_those_of_the_published_cases(one_map, expected):
    found = boxes_from_map(one_map, [0, 0.2, 0.4, 0.6, 0.8])
    assert as_rows(found.boxes) == expected
    assert found.threshold.tolist() == [0, 1, 2, 3, 4]


def test_pixel_counts_choose_another_component_than_polygon_areas():
    # one row of four pixels has no polygon area, a triangle of three has half a square
    assert as_rows(boxes_from_map(MANY_PEAKS, [0.2]).boxes) == [(0, 0, 2, 2)]
    assert as_rows(boxes_from_map(MANY_PEAKS, [0.2], area="pixels").boxes) != [(0, 0, 2, 2)]


def test_zero_map_has_the_empty_box_at_every_threshold():
    found = boxes_from_map(np.zeros((4, 5)), [0, 0.5])
    assert found.boxes.tolist() == [[0, 0, 0, 0]] * 2
    assert boxes_from_map(np.zeros((4, 5)), [0, 0.5], multi=True).boxes.tolist() == [[0] * 4] * 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1.5, -0.1])
def test_maps_that_are_not_scores_are_refused(bad):
    one_map = ONE_PEAK.copy()
    one_map[1, 1] = bad
    with pytest.raises(MapError, match=r"not finite|in \[0, 1\]"):
        boxes_from_map(one_map, [0.5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"area": "pixel"}, "no area 'pixel'; closest: 'pixels'"),
        ({"convention": "xywh"}, "no convention 'xywh'"),
        ({"connectivity": 6}, "no connectivity '6'"),
        ({"connectivity": 4}, "connectivity 8"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        boxes_from_map(ONE_PEAK, [0.5], **options)


@pytest.mark.parametrize("thresholds", [[], [1.1], [-0.1], [float("nan")]])
def test_thresholds_that_are_no_shares_are_refused(thresholds):
    with pytest.raises(OptionError, match="thresholds"):
        boxes_from_map(ONE_PEAK, thresholds)


def test_boxes_equal_opencv_on_maps_of_many_kinds():
    for one_map in maps_of_many_kinds(60, seed=1, largest=40):
        expected = [boxes[0] for boxes in opencv_boxes(one_map, SHARES)]
        assert as_rows(boxes_from_map(one_map, SHARES).boxes) == expected


@pytest.mark.slow
def test_boxes_equal_opencv_on_2400_maps_and_100_thresholds():
    for one_map in maps_of_many_kinds(2400, seed=2, largest=64):
        expected = [boxes[0] for boxes in opencv_boxes(one_map, SHARES)]
        assert as_rows(boxes_from_map(one_map, SHARES).boxes) == expected


def test_boxes_equal_opencv_on_a_large_smooth_and_a_large_noisy_map():
    rng = np.random.default_rng(3)
    grid = rng.random((7, 7)).astype(np.float32)
    smooth = unit(cv2.resize(grid, (224, 224), interpolation=cv2.INTER_CUBIC))
    noisy = rng.random((300, 260)).astype(np.float32)  # more than 65,536 pixels
    for one_map in (smooth, noisy):
        expected = [boxes[0] for boxes in opencv_boxes(one_map, SHARES[::4])]
        assert as_rows(boxes_from_map(one_map, SHARES[::4]).boxes) == expected


def test_all_contours_equal_opencv_holes_included():
    for one_map in maps_of_many_kinds(24, seed=4, largest=24):
        found = boxes_from_map(one_map, SHARES[::7], multi=True)
        for position, expected in enumerate(opencv_boxes(one_map, SHARES[::7], multi=True)):
            assert sorted(as_rows(found.at(position))) == sorted(expected)


def test_ties_between_nested_outlines_go_as_in_opencv():
    rings = np.zeros((15, 30), dtype=np.float32)
    for left in (1, 16):
        rings[1:14, left : left + 13] = 1
        rings[2:13, left + 1 : left + 12] = 0
        rings[4:7, left + 3 : left + 6] = 1
    rings[7, 20] = 1
    assert as_rows(boxes_from_map(rings, [0.5]).boxes) == opencv_boxes(rings, [0.5])[0]


def test_holes_count_in_full_for_polygon_areas():
    ring_and_block = np.zeros((12, 30), dtype=np.float32)
    ring_and_block[1:11, 1:11] = 1
    ring_and_block[2:10, 2:10] = 0  # 36 pixels, but its outline encloses 81 squares
    ring_and_block[2:10, 15:24] = 1  # 72 pixels, 56 squares
    assert as_rows(boxes_from_map(ring_and_block, [0.5]).boxes) == [(1, 1, 11, 11)]
    pixels = boxes_from_map(ring_and_block, [0.5], area="pixels", convention="half-open")
    assert as_rows(pixels.boxes) == [(15, 2, 24, 10)]


def slow_box(one_map, share, connectivity):
    """Largest component by pixels, by labelling one mask; first in reading order of equals."""
    mask = one_map > np.asarray(share, one_map.dtype) * max(one_map.max(), 0)
    shape = np.ones((3, 3)) if connectivity == 8 else None
    labels, count = ndimage.label(mask, structure=shape)
    if count == 0:
        return (0, 0, 0, 0)
    best = int(np.bincount(labels.ravel())[1:].argmax()) + 1
    rows, columns = np.nonzero(labels == best)
    return (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_pixel_counting_boxes_equal_labelling_mask_by_mask(connectivity):
    for one_map in maps_of_many_kinds(24, seed=5, largest=30):
        raw = one_map * 7 - 1
        found = boxes_from_map(
            raw,
            SHARES[::5],
            area="pixels",
            convention="half-open",
            connectivity=connectivity,
        )
        assert as_rows(found.boxes) == [slow_box(raw, share, connectivity) for share in SHARES[::5]]


def test_more_than_255_thresholds_and_unsorted_ones_are_served():
    rng = np.random.default_rng(6)
    one_map = rng.random((20, 31))
    shares = rng.permutation(np.linspace(0, 1, 400))
    found = boxes_from_map(one_map, shares, area="pixels", convention="half-open")
    assert as_rows(found.boxes) == [slow_box(one_map, share, 8) for share in shares]


def test_equal_thresholds_have_equal_boxes_also_for_all_contours():
    found = boxes_from_map(MANY_PEAKS, [0.2, 0.2, 0.0, 0.2], multi=True)
    assert found.at(0).tolist() == found.at(1).tolist() == found.at(3).tolist()
    assert found.at(2).tolist() != found.at(0).tolist()


def test_conventions_differ_by_what_they_say():
    one_map = np.zeros((6, 7))
    one_map[2:4, 3:7] = 1
    corners = {
        how: as_rows(boxes_from_map(one_map, [0.5], convention=how).boxes)[0]
        for how in ("clova", "inclusive", "half-open")
    }
    assert corners == {
        "clova": (3, 2, 6, 4),
        "inclusive": (3, 2, 6, 3),
        "half-open": (3, 2, 7, 4),
    }


def test_boxes_do_not_change_under_positive_scaling_of_a_raw_map():
    one_map = np.random.default_rng(7).random((13, 17))
    first, second = (
        boxes_from_map(one_map * scale, SHARES, convention="half-open") for scale in (1, 8)
    )
    assert torch.equal(first.boxes, second.boxes)


def test_tensors_and_arrays_give_the_same_boxes_and_are_left_alone():
    one_map = torch.rand(9, 14, generator=torch.Generator().manual_seed(0))
    before = one_map.clone()
    first = boxes_from_map(one_map, torch.tensor([0.1, 0.5])).boxes
    assert torch.equal(first, boxes_from_map(one_map.numpy(), [0.1, 0.5]).boxes)
    assert torch.equal(one_map, before)


def test_largest_component_box_equals_labelling_for_each_map_of_a_stack():
    maps = torch.rand(2, 3, 11, 16, generator=torch.Generator().manual_seed(1))
    boxes = largest_component_box(maps, threshold_fraction=0.6)
    assert boxes.shape == (2, 3, 4)
    for box, one_map in zip(boxes.view(-1, 4), maps.view(-1, 11, 16), strict=True):
        assert tuple(box.tolist()) == slow_box(one_map.numpy(), 0.6, 8)


def test_a_pixel_exactly_at_the_threshold_is_outside():
    # 0.5 of 1 is exact in binary; the pixel beside it is the next larger number
    one_map = torch.tensor([[0.5, 1.0, 0.5000001, 0.5], [0.5, 0.5, 0.5, 0.5]])
    assert largest_component_box(one_map, threshold_fraction=0.5).tolist() == [1, 0, 3, 1]
    for convention in ("inclusive", "half-open"):
        boxes = boxes_from_map(one_map, [0.5], convention=convention).boxes.tolist()
        assert boxes == [[1, 0, 2, 0] if convention == "inclusive" else [1, 0, 3, 1]]


def test_the_default_box_is_the_largest_component_above_a_fifth_of_the_maximum():
    one_map = torch.zeros(8, 9)
    one_map[1:4, 2:6] = 0.21
    one_map[6, 7] = 1.0
    assert largest_component_box(one_map).tolist() == [2, 1, 6, 4]
    assert largest_component_box(one_map, threshold_fraction=0.3).tolist() == [7, 6, 8, 7]


def test_blank_maps_have_no_largest_component():
    maps = torch.stack(
        [torch.eye(3), torch.zeros(3, 3), torch.full((3, 3), torch.nan), -torch.eye(3)]
    )
    with pytest.raises(MapError, match=r"\[1, 2, 3\]"):
        largest_component_box(maps)
    boxes = largest_component_box(maps, on_blank="empty")
    assert boxes.tolist() == [[0, 0, 3, 3], [0] * 4, [0] * 4, [0] * 4]


@pytest.mark.parametrize("options", [{"threshold_fraction": 1.0}, {"on_blank": "zeros"}])
def test_largest_component_box_refuses_unknown_options(options):
    with pytest.raises(OptionError):
        largest_component_box(torch.eye(3), **options)
