"""Thresholds that were chosen on few images, or cost much, are said to be noise."""

import numpy as np

from figureground.studies.evaluation.chosen_thresholds import doubt_of_thresholds


def _right(share: float, images: int = 200) -> np.ndarray:
    """Per cent right of each image."""
    return np.where(np.arange(images) < share * images, 100.0, 0.0)


def test_many_images_and_small_costs_need_no_word():
    # half the width of the interval is about 7 points
    frozen = {"CAM": _right(0.5), "Grad-CAM++": _right(0.5)}
    oracle = {"CAM": 51.0, "Grad-CAM++": 55.0}
    assert doubt_of_thresholds(frozen, oracle, validation=100, seed=0) == ""


def test_costs_beyond_half_an_interval_are_told_the_largest_first():
    frozen = {"CAM": _right(0.5), "Eigen-CAM": _right(0.5), "Grad-CAM++": _right(0.5)}
    oracle = {"CAM": 58.0, "Eigen-CAM": 51.0, "Grad-CAM++": 62.5}
    assert doubt_of_thresholds(frozen, oracle, validation=130, seed=0) == (
        "Thresholds were chosen on 130 images, and cost Grad-CAM++ 12.5 points and CAM 8.0 points beside those that "
        "are best on the test images."
    )


def test_few_images_are_told_by_their_number_also_where_nothing_was_lost():
    frozen, oracle = {"CAM": _right(0.5)}, {"CAM": 50.0}
    told = doubt_of_thresholds(frozen, oracle, validation=99, seed=0)
    assert told.startswith("Thresholds were chosen on 99 images, fewer than 100: ")
    lossy = doubt_of_thresholds(frozen, {"CAM": 70.0}, validation=50, seed=0)
    assert "50 images, fewer than 100, and cost CAM 20.0 points" in lossy
