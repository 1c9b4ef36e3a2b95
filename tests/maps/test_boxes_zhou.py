"""The tight and loose boxes, against OpenCV's distance transform and contours."""

import cv2
import numpy as np
import pytest

from figureground.base.errors import OptionError
from figureground.maps.boxes import dt_boxes


def unit(values):
    """Min-max normalised."""
    return (values - values.min()) / (values.max() - values.min())


def as_rows(boxes):
    return [tuple(int(value) for value in box) for box in boxes]


def opencv_dt_boxes(levels, thresholds):
    """The pooled boxes before merging, with OpenCV and its exact distance."""
    height, width = levels.shape
    pooled = []
    for threshold in thresholds:
        mask = (levels > threshold).astype(np.uint8)
        distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        kept = (distance * (255 / max(distance.max(), 1e-9)) > 10).astype(np.uint8)
        contours, _ = cv2.findContours(kept, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        for x, y, w, h in map(cv2.boundingRect, contours):
            pooled.append((x, y, min(x + w, width - 5), min(y + h, height - 5)))
    return pooled


def test_dt_boxes_are_the_pooled_boxes_of_opencv_without_near_duplicates():
    rng = np.random.default_rng(8)
    for _ in range(12):
        grid = rng.random((5, 6))
        levels = (unit(cv2.resize(grid, (70, 60), interpolation=cv2.INTER_CUBIC)) * 255).astype(
            np.uint8
        )
        levels[:, 60:], levels[50:] = 0, 0
        expected = sorted(opencv_dt_boxes(levels, (20, 100, 110)), key=area, reverse=True)
        found = as_rows(dt_boxes(levels))
        assert set(found) <= set(expected)
        assert area(found[0]) == area(expected[0])
        for position, one in enumerate(found):
            for other in found[position + 1 :]:
                assert shared(one, other) <= area(one) // 2
        for one in expected:
            assert one in found or any(shared(one, kept) > area(kept) // 2 for kept in found)


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def shared(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    return max(0, width) * max(0, min(one[3], other[3]) - max(one[1], other[1]))


def test_compatible_merge_skips_the_box_after_each_one_dropped():
    levels = np.zeros((60, 60), dtype=np.uint8)
    for step, level in enumerate((30, 60, 90, 120)):
        levels[5 + step : 45 - step, 5 + step : 45 - step] = level
    thresholds = (20, 50, 80, 110)
    assert len(dt_boxes(levels, thresholds)) == 1
    assert len(dt_boxes(levels, thresholds, merge="compat")) > 1


def test_dt_boxes_of_an_empty_map_are_none_and_of_a_full_one_the_image():
    assert dt_boxes(np.zeros((20, 30), dtype=np.uint8)).shape == (0, 4)
    assert as_rows(dt_boxes(np.full((20, 30), 200, dtype=np.uint8))) == [(0, 0, 25, 15)]


@pytest.mark.parametrize("options", [{"merge": "some"}, {"thresholds": (300,)}])
def test_dt_boxes_refuse_unknown_options(options):
    with pytest.raises(OptionError):
        dt_boxes(np.zeros((9, 9), dtype=np.uint8), **options)
