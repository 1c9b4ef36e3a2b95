"""Every source keeps the contract; a mix is its parts one after the other."""

import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError
from figureground.data import LabeledImages, sklearn_digits
from figureground.data.background import (
    BackgroundSource,
    ClutterOnly,
    Concat,
    CropGrid,
    Folder,
    FromLabeled,
    GridCrops,
    HeldOutClasses,
    Invert,
    Monochrome,
    OutsideBox,
    PatchShuffle,
    Procedural,
)
from figureground.data.background.source import checked_index, size_of


@pytest.fixture
def every_source(scenes, save, tmp_path):
    pixels = torch.from_numpy(np.stack(scenes(range(4)))).permute(0, 3, 1, 2)
    boxes = tuple(torch.tensor([[20.0, 0.0, 50.0, 40.0]]) for _ in range(4))
    data = LabeledImages(pixels, torch.tensor([0, 1, 0, 1]), ("a", "b"), boxes)
    folder = Folder(save(tmp_path / "some", scenes(range(3))))
    return [
        folder,
        Monochrome(levels=(0, 9), side=4),
        Invert(folder),
        GridCrops(folder, grids=(CropGrid(16, None),), whole=8),
        OutsideBox.of_labeled(data, name="boxed"),
        FromLabeled(data, name="set"),
        HeldOutClasses(data, ["b"]),
        PatchShuffle(folder, grid=3),
        Procedural(5, size=8),
        ClutterOnly(sklearn_digits()[0][:50], count=3, seed=0),
    ]


def test_every_source_keeps_the_contract(every_source):
    for source in [*every_source, Concat(*every_source)]:
        assert isinstance(source, BackgroundSource)
        assert source.name
        assert source.provenance
        pictures = [source[index] for index in range(len(source))]
        assert len(pictures) == len(source) > 0
        for index, picture in enumerate(pictures):
            assert picture.dtype == np.uint8
            assert picture.shape[2] == 3
            assert size_of(source, index) == picture.shape[1::-1]
            np.testing.assert_array_equal(
                source[index], picture
            )  # the same whenever it is asked for
            assert source.group(index) == source.group(index - len(source))
        for index in (len(source), -len(source) - 1):
            with pytest.raises(IndexError):
                source[index]
            with pytest.raises(IndexError):
                source.group(index)


def test_mix_is_its_parts_in_order_and_shares_their_groups(given, scenes):
    a, empty, b = given(scenes([0, 1])), given([]), given(scenes([2]), name="other")
    mix = Concat(a, empty, Invert(a), b)
    assert len(mix) == 5
    assert [mix.place(row) for row in range(5)] == [(0, 0), (0, 1), (2, 0), (2, 1), (3, 0)]
    np.testing.assert_array_equal(mix[3], 255 - a[1])
    assert mix.group(1) == mix.group(3) != mix.group(0)
    assert mix.provenance == {"parts": "given (2); given (0); given, inverted (2); other (1)"}


def test_a_mix_of_nothing_is_refused():
    with pytest.raises(OptionError, match="at least one source"):
        Concat()


def test_an_index_counts_from_either_end():
    assert [checked_index(index, 3) for index in (0, 2, -1, -3)] == [0, 2, 2, 0]
    with pytest.raises(IndexError, match="image 3 of 3"):
        checked_index(3, 3)
