"""Rare classes and background, and CSV files of labels."""

import re
from pathlib import Path

import pytest
import torch

from figureground.base.errors import DataError, OptionError, ShapeError
from figureground.data import LabeledImages, load_dataset, make_background_labels, with_rare
from figureground.data.loaders.labels_file import labels_file
from figureground.data.rare import named_rare


@pytest.fixture
def zoo() -> LabeledImages:
    names = ("cat", "lynx", "Otter", "unlabeled", "7")
    labels = torch.tensor([0, 1, 2, 3, 4, 5, -1])
    return LabeledImages(torch.zeros(7, 1, 2, 2, dtype=torch.uint8), labels, names)


def test_rare_classes_are_numbered_as_named_and_all_else_is_background(zoo: LabeledImages):
    found = with_rare(zoo, ["otter", "lynx"])
    assert found.class_names == ("Otter", "lynx")
    assert found.labels.tolist() == [2, 1, 0, -1, 2, 2, -1]
    assert found.background_count == 3


def test_a_name_goes_before_a_number(zoo: LabeledImages):
    assert with_rare(zoo, [7]).labels.tolist() == [1, 1, 1, -1, 0, 1, -1]
    assert with_rare(zoo, ["1"]).class_names == ("lynx",)


def test_classes_that_do_not_exist_or_come_twice_are_refused(zoo: LabeledImages):
    with pytest.raises(OptionError, match="no class of the data 'linx'; closest: 'lynx'"):
        with_rare(zoo, ["linx"])
    with pytest.raises(OptionError, match="named twice"):
        with_rare(zoo, ["lynx", "1"])
    with pytest.raises(OptionError, match="cannot be a rare class"):
        with_rare(zoo, ["lynx", "unlabeled"])
    with pytest.raises(OptionError, match="one or more labels"):
        make_background_labels(torch.tensor([0]), [])


def test_rare_classes_may_be_named_by_a_file(zoo: LabeledImages, tmp_path: Path):
    path = tmp_path / "rare.txt"
    path.write_bytes(b"\xef\xbb\xbfotter\r\n\r\n 7 \n")
    assert named_rare([str(path), 1]) == ("otter", "7", 1)
    assert with_rare(zoo, named_rare([str(path)])).class_names == ("Otter", "7")
    path.write_text("\n")
    with pytest.raises(
        DataError, match=r"rare\.txt names no rare class; it holds one class a line"
    ):
        named_rare([str(path)])
    with pytest.raises(DataError, match=r"cannot read the rare classes from .*bg_100\.txt"):
        named_rare([str(tmp_path / "bg_100.txt")])


def test_labels_that_are_not_known_are_minus_one():
    known = torch.tensor([True, False, True])
    assert make_background_labels(torch.tensor([0, 0, 5]), [0], known).tolist() == [0, -1, 1]
    with pytest.raises(ShapeError, match="3 labels, 1 marks"):
        make_background_labels(torch.tensor([0, 0, 5]), [0], known[:1])


def test_a_file_of_labels_names_pictures_classes_background_and_the_unlabelled(tmp_path: Path):
    path = tmp_path / "labels.csv"
    (tmp_path / "a.png").touch()
    path.write_text("label,path,who\n10,a.png,x\n2,sub/b.png,\nBackground,c.png,y\n,d.png,\n")
    found = labels_file(path)
    assert found.class_names == ("2", "10")
    assert found.labels.tolist() == [1, 0, 2, -1]
    (tmp_path / "0.png").touch()
    path.write_text("label,path\n" + "".join(f"cat,{n}.png\n" for n in range(10)))
    assert len(load_dataset("csv", path, part="test")) == 2


def test_paths_that_lead_nowhere_are_told_with_where_they_lead(tmp_path: Path):
    path = tmp_path / "labels.csv"
    path.write_text("path,label\nphotos/a.png,cat\nphotos/b.png,cat\n")
    told = f"'photos/a.png' is looked for as {tmp_path / 'photos' / 'a.png'}. A path is absolute or relative to"
    with pytest.raises(DataError, match=re.escape(told)):
        labels_file(path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "b.png").touch()
    assert len(labels_file(path)) == 2


def test_a_column_of_contexts_is_numbered_in_natural_order(tmp_path: Path):
    path = tmp_path / "labels.csv"
    (tmp_path / "a.png").touch()
    path.write_text(
        "path,context,label\na.png,place 10,cat\nb.png, place 9,dog\nc.png,,cat\nd.png,place 9,\n"
    )
    found = labels_file(path)
    assert found.contexts is not None
    assert found.contexts.tolist() == [2, 1, 0, 1]
    path.write_text("path,label\na.png,cat\n")
    assert labels_file(path).contexts is None


def test_files_that_are_no_lists_of_labels_are_refused(tmp_path: Path):
    path = tmp_path / "labels.csv"
    with pytest.raises(DataError, match="cannot read"):
        labels_file(path)
    path.write_text("file,label\na,b\n")
    with pytest.raises(DataError, match="no column path"):
        labels_file(path)
    path.write_text("path,label\na.png,\n")
    with pytest.raises(DataError, match="names no class"):
        labels_file(path)
