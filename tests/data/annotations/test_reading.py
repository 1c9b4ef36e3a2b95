"""The format is found out, and what cannot be read says what could."""

import pytest

from figureground.base.errors import DataError, OptionError
from figureground.data import ANNOTATION_FORMATS, read_annotations


def test_unknown_format_names_the_known_ones(tmp_path):
    path = tmp_path / "boxes.xlsx"
    path.touch()
    with pytest.raises(DataError) as caught:
        read_annotations(path)
    assert all(known.description in str(caught.value) for known in ANNOTATION_FORMATS.values())


def test_missing_source_or_pictures_are_refused(tmp_path):
    with pytest.raises(DataError, match="no annotations at"):
        read_annotations(tmp_path / "none.json")
    (tmp_path / "a.csv").write_text("path,label,x0,y0,x1,y1\n")
    with pytest.raises(DataError, match="no folder of images at"):
        read_annotations(tmp_path / "a.csv", images=tmp_path / "none")


def test_contradicting_classes_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("path,label,x0,y0,x1,y1\n")
    with pytest.raises(OptionError, match="num_classes is 3"):
        read_annotations(tmp_path / "a.csv", num_classes=3, class_names=["one"])


def test_every_bad_picture_is_told_and_the_good_one_is_read(photos):
    rows = ["dog.jpg,0,0,0,99,99", "none.jpg,0,0,0,1,1", "cat.png,5,0,0,1,1", "cat.png,1,9,9,9,9"]
    path = photos / "boxes.csv"
    path.write_text("path,label,x0,y0,x1,y1\n" + "\n".join(rows))
    made = read_annotations(str(path), images=str(photos), num_classes=2)
    assert len(made) == 2
    assert made.source == path
    assert made.problem_counts == {
        "clipped-box": 1,
        "missing-file": 1,
        "unknown-label": 1,
        "empty-box": 1,
        "no-boxes": 1,
    }
    assert [problem.where for problem in made.problems][:2] == [
        "boxes.csv line 2",
        "boxes.csv line 3",
    ]
