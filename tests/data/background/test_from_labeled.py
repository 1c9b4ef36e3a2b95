"""Held-out classes and shuffled patches."""

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError
from figureground.data import LabeledImages
from figureground.data.background import FromLabeled, HeldOutClasses, PatchShuffle


def labeled(groups=None):
    pixels = torch.arange(5, dtype=torch.uint8)[:, None, None, None].expand(5, 1, 4, 6)
    return LabeledImages(pixels, torch.tensor([0, 2, 1, 2, 0]), ("a", "b", "c"), groups=groups)


def test_held_out_are_the_pictures_of_those_classes_only():
    source = HeldOutClasses(labeled(), ["c", 1])
    assert [int(picture[0, 0, 0]) for picture in source] == [1, 2, 3]
    assert source[0].shape == (4, 6, 3)  # grey becomes colour
    for given in ("d", 3, -1):
        with pytest.raises(OptionError, match=f"no class '{given}'"):
            HeldOutClasses(labeled(), [given])


def test_groups_are_those_of_the_set():
    source = FromLabeled(
        labeled(torch.tensor([7, 7, 8, 9, 9])), name="set", rows=torch.tensor([1, 0, 4])
    )
    assert [source.group(row) for row in range(3)] == ["set 7", "set 7", "set 9"]
    assert FromLabeled(labeled(), name="set", rows=torch.tensor([3])).group(0) == "set 3"


def patches(picture, grid):
    height, width = picture.shape[0] // grid, picture.shape[1] // grid
    return [
        picture[y * height : (y + 1) * height, x * width : (x + 1) * width].tobytes()
        for y in range(grid)
        for x in range(grid)
    ]


def test_shuffling_moves_patches_and_changes_none(given, scenes):
    source = given(scenes(range(3), 41, 50))
    shuffled = PatchShuffle(source, grid=4, seed=1)
    for row in range(3):
        cut = source[row][:40, :48]
        before, after = patches(cut, 4), patches(shuffled[row], 4)
        assert sorted(before) == sorted(after)
        assert before != after
        assert shuffled.group(row) == source.group(row)


def test_a_shuffle_is_never_the_picture_itself(given, scenes):
    source = given(scenes([0]))
    made = PatchShuffle(source, grid=2, count=60, seed=0)
    seen = {picture.tobytes() for picture in made}
    assert source[0].tobytes() not in seen
    assert 15 <= len(seen) <= 23  # of the 24 orders all but one may occur
    assert {made.group(row) for row in range(60)} == {source.group(0)}


def test_other_seed_gives_another_order(given, scenes):
    source = given(scenes([0]))
    one, other = (PatchShuffle(source, grid=4, seed=seed)[0] for seed in (0, 1))
    assert (one != other).any()


def test_nothing_to_shuffle_is_refused(given, scenes):
    with pytest.raises(OptionError, match="nothing to shuffle"):
        PatchShuffle(given(scenes([0])), grid=1)
    with pytest.raises(OptionError, match="nothing to shuffle"):
        PatchShuffle(given([]), count=3)
    with pytest.raises(OptionError, match=r"no 6² patches"):
        PatchShuffle(given([np.zeros((5, 9, 3), np.uint8)]), grid=6)[0]
