"""Files of predicted boxes, in each spelling."""

from pathlib import Path

import numpy as np
import pytest

from figureground.base.errors import DataError, OptionError
from figureground.data.annotations import read_annotations
from figureground.data.predicted_boxes import read_predicted_boxes

NAMES = ("a.jpg", "n02.jpg", "deep/c 1.png")


def read(folder: Path, text: str, **how: str):
    file = folder / "boxes.txt"
    file.write_text(text)
    return read_predicted_boxes(file, NAMES, **how)


@pytest.mark.parametrize(
    "text",
    [
        "1 2 4 6\n3 1 3 1\n0 0 9 4",
        "x,1,2,4,6\nx,3,1,3,1\nx,0,0,9,4",
        "ImageId,PredictionString\na,x 1 2 4 6\nn02,x 3 1 3 1\nc,x 1 1 1 1\ndeep/c,x 1 1 1 1\n",
        "\ufeffn02.jpg 3 1 3 1\na.jpg 1 2 4 6",
    ],
)
def test_words_between_blanks_or_commas(tmp_path: Path, text: str):
    found = read(tmp_path, text)
    assert found.boxes[0, 0].tolist() == [1, 2, 5, 7]
    assert found.boxes[1, 0].tolist() == [3, 1, 4, 2]


def test_a_first_word_is_a_name_where_an_image_has_it_and_else_a_class(tmp_path: Path):
    found = read(tmp_path, "n02 1 2 4 6\n")
    assert found.labels == ((), (None,), ())
    found = read(tmp_path, "n01 1 2 4 6\nn03 1 2 4 6\nn04 1 2 4 6")
    assert found.labels == (("n01",), ("n03",), ("n04",))


def test_an_empty_line_is_an_image_without_box(tmp_path: Path):
    found = read(tmp_path, "7 1 2 4 6\n\n7 0 0 1 1\n\n")
    assert found.labels == (("7",), (), ("7",))
    assert np.isnan(found.boxes[1]).all()
    assert [(one.kind, one.where) for one in found.problems] == [("no-prediction", "n02.jpg")]


def test_a_csv_may_name_images_with_blanks(tmp_path: Path):
    text = 'label,path,xmin,ymin,xmax,ymax,score\n"tabby, cat",deep/c 1.png,1,2,5,7,0.5\nx,a,,,,\nshort\n'
    found = read(tmp_path, text)
    assert found.labels == ((), (), ("tabby, cat",))
    assert found.boxes[2, 0].tolist() == [1, 2, 5, 7]
    assert [one.kind for one in found.problems] == ["bad-row", "no-prediction", "no-prediction"]


def test_corners_mean_what_the_user_says(tmp_path: Path):
    assert read(tmp_path, "a.jpg x 1 2 4 6", corners="half-open").boxes[0, 0].tolist() == [
        *(1, 2, 4, 6)
    ]
    with pytest.raises(OptionError, match="no meaning of corners 'open'"):
        read(tmp_path, "", corners="open")


def test_numbers_that_are_no_boxes_keep_their_place_among_the_guesses(tmp_path: Path):
    found = read(tmp_path, "a.jpg x nan 2 4 6 y 1e300 0 1e301 1 z 5 5 3 5 w 0 0 1 1")
    assert found.labels[0] == ("x", "y", "z", "w")
    assert np.isnan(found.boxes[0]).any(1).tolist() == [True, True, True, False]
    assert [one.kind for one in found.problems].count("bad-box") == 3


def test_files_that_are_none(tmp_path: Path):
    with pytest.raises(DataError, match="needs a line for each: it has 0 lines for 3 images"):
        read(tmp_path, "")
    (tmp_path / "boxes.bin").write_bytes(b"\xff\xfe\0")
    for file in (tmp_path / "boxes.bin", tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="cannot read predicted boxes"):
            read_predicted_boxes(file, NAMES)
    long = tmp_path / "long.csv"
    long.write_text("name,x0,y0,x1,y1\n" + "y" * 200_000 + ",1,2,3,4\n")
    with pytest.raises(DataError, match="field larger than"):
        read_predicted_boxes(long, NAMES)


def test_annotations_are_believed_where_no_image_is_needed(tmp_path: Path):
    rows = tmp_path / "boxes.csv"
    rows.write_text("path,label,x0,y0,x1,y1\nnone.png,dog,-2,6,50,20\n")
    assert not len(read_annotations(rows))
    found = read_annotations(rows, needs_images=False)
    assert (found[0].boxes.tolist(), found[0].size) == ([[0.0, 6.0, 50.0, 20.0]], None)
    assert [str(one.message) for one in found.problems] == [
        "box (-2, 6, 50, 20) clipped to the image"
    ]


def test_a_line_that_is_cut_short_does_not_decide_for_the_others(tmp_path: Path):
    found = read(tmp_path, "n9 1 2 4 6\nn9 1 2 4 6 n8\nn9 0 0 1 1\n")
    assert found.labels == (("n9",), (), ("n9",))
    assert [(one.kind, one.where) for one in found.problems] == [("bad-row", "boxes.txt line 2")]


def test_names_in_digits_have_noughts_before_them_and_classes_have_none(tmp_path: Path):
    file = tmp_path / "boxes.txt"
    file.write_text("000002 5 5 7 7\n000001 9 1 2 4 6\n")
    found = read_predicted_boxes(file, ["000001.jpg", "000002.jpg"])
    assert found.labels == (("9",), (None,))
    file.write_text("2 5 5 7 7\n1 1 2 4 6\n")
    assert read_predicted_boxes(file, ["1.jpg", "2.jpg"]).labels == (("2",), ("1",))


def test_fractions_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="look like fractions of the image"):
        read(tmp_path, "1 0.1 0.2 0.5 0.6\n1 0 0 1 1\n1 0 0 1 0.3")
    assert not np.isnan(read(tmp_path, "1 0 0 1 1\n1 0 0 1 1\n1 0 0 0 0").boxes).any()
