"""Crops lie where the paper lays them: 52 per image of grass, 42 per image of clouds."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from figureground.base.errors import DataError, OptionError
from figureground.data.background import CLOUD_GRIDS, GRASS_GRIDS, CropGrid, GridCrops


class Large:
    """Images that exist when looked at; only their size is known before."""

    provenance = {"rule": "made"}  # noqa: RUF012 - never written to

    def __init__(self, count, width, height):
        self.name, self.count, self.shape, self.decoded = "large", count, (height, width), 0

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.decoded += 1
        return np.random.default_rng(index).integers(0, 256, (*self.shape, 3), dtype=np.uint8)

    def size(self, index):
        return self.shape[1], self.shape[0]

    def group(self, index):
        return f"large {index}"


def test_grass_gives_52_and_clouds_give_42_per_picture_before_any_is_decoded():
    grass, clouds = Large(3, 2855, 2835), Large(2, 2100, 1400)
    assert len(GridCrops(grass, grids=GRASS_GRIDS, strict=True)) == 3 * 52
    assert len(GridCrops(clouds, grids=CLOUD_GRIDS, strict=True)) == 2 * 42
    assert grass.decoded == clouds.decoded == 0


def test_crops_are_windows_of_their_picture_and_inverses_follow():
    large = Large(2, 50, 40)
    crops = GridCrops(large, grids=(CropGrid(10, (0, 20)), CropGrid(5, (3,))), whole=None)
    assert len(crops) == 2 * 2 * 5
    for row in range(2):
        windows = [(0, 0, 10), (20, 0, 10), (0, 20, 10), (20, 20, 10), (3, 3, 5)]
        for place, (x, y, side) in enumerate(windows):
            expected = large[row][y : y + side, x : x + side]
            np.testing.assert_array_equal(crops[10 * row + place], expected)
            np.testing.assert_array_equal(crops[10 * row + 5 + place], 255 - expected)
            assert (
                crops.group(10 * row + place) == crops.group(10 * row + 5 + place) == f"large {row}"
            )


@pytest.mark.parametrize("side", [20, 16, 39])
def test_whole_picture_is_averaged_as_opencv_does(side, scenes, given):
    picture = scenes([0], 40, 60)[0]
    made = GridCrops(given([picture]), grids=(), whole=side, invert=False)[0]
    expected = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    assert np.abs(made.astype(int) - expected).max() <= 1  # rounding


def test_whole_of_a_small_picture_is_enlarged(scenes, given):
    made = GridCrops(given(scenes([0], 20, 60)), grids=(), whole=30, invert=True)
    assert [picture.shape for picture in made] == [(30, 30, 3)] * 2


def test_each_picture_is_decoded_once():
    large = Large(2, 60, 60)
    crops = GridCrops(large, grids=(CropGrid(10, None),), whole=20)
    assert len(list(crops)) == 2 * 2 * 37
    assert large.decoded == 2


def test_what_does_not_fit_is_counted_or_refused():
    crops = GridCrops(Large(1, 50, 30), grids=(CropGrid(20, (0, 20)),), whole=None, invert=False)
    assert len(crops) == 2
    assert crops.skipped == 2
    with pytest.raises(DataError, match=r"20 pixels at \(0, 20\) does not fit .* 50x30"):
        GridCrops(Large(1, 50, 30), grids=(CropGrid(20, (0, 20)),), strict=True)


def test_free_grid_lays_as_many_as_fit_from_edge_to_edge():
    for side in range(4, 40):
        places = CropGrid(4, None).along(side)
        assert len(places) == side // 4
        assert all(b - a >= 4 for a, b in pairwise(places))
        assert min(places) >= 0
        assert max(places) + 4 <= side
    assert CropGrid(4, None).along(6) == [1]
    assert CropGrid(4, None).along(9) == [0, 5]


def test_impossible_grid_is_refused():
    with pytest.raises(OptionError, match="a crop of 0 pixels"):
        CropGrid(0)
    with pytest.raises(OptionError, match="cannot be"):
        CropGrid(5, (-1,))
