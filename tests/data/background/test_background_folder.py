"""A folder gives what was asked for, in the order that was asked for."""

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import DataError, ImageError, OptionError
from figureground.data.background import Folder


@pytest.fixture
def folder(tmp_path):
    for level in (1, 2, 10, 20):
        Image.new("RGB", (4, 3), (level, 0, 0)).save(tmp_path / f"{level}.png")
    return tmp_path


def levels(source):
    return [int(picture[0, 0, 0]) for picture in source]


def test_order_is_natural_or_that_of_strings(folder):
    assert levels(Folder(folder)) == [1, 2, 10, 20]
    assert levels(Folder(folder, order="string")) == [1, 10, 2, 20]
    with pytest.raises(OptionError, match="no order 'random'"):
        Folder(folder, order="random")


def test_rows_are_taken_first_and_names_left_out_then(folder):
    assert levels(Folder(folder, rows=range(1, 4), exclude=["10.png"])) == [2, 20]
    assert levels(Folder(folder, rows=(3, 0))) == [20, 1]
    assert Folder(folder, rows=range(1, 4)).provenance["rule"] == "natural order, images 1 to 3"
    with pytest.raises(DataError, match=r"image 4 of .* is asked for; it holds 4"):
        Folder(folder, rows=range(2, 5))


def test_group_is_the_file_through_whatever_folder(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert Folder(folder).group(1) == Folder(folder.name).group(1)
    assert Folder(folder).group(1) != Folder(folder).group(2)


def test_bad_file_says_so_when_asked_for_and_no_folder_at_once(folder):
    (folder / "2.png").write_bytes(b"no")
    source = Folder(folder)
    np.testing.assert_array_equal(source[0][0, 0], [1, 0, 0])
    with pytest.raises(ImageError, match=r"2\.png"):
        source[1]
    with pytest.raises(DataError, match="no folder"):
        Folder(folder / "none")
