"""CSV files: a row for each box."""

import pytest

from figureground.base.errors import DataError
from figureground.data import read_annotations

HEAD = "path,label,x0,y0,x1,y1\n"


def read(photos, text, **options):
    path = photos / "boxes.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_annotations(path, **options)


def test_rows_of_one_path_and_label_are_one_entry(photos):
    made = read(photos, HEAD + "dog.jpg,1,0,0,40,30\ncat.png,0,1,2,3.5,4\ndog.jpg,1,5,5,6,6\n")
    assert made.format == "csv"
    assert made.problems == ()
    assert [(image.path, image.label) for image in made] == [
        (photos / "dog.jpg", 1),
        (photos / "cat.png", 0),
    ]
    assert made[0].boxes.tolist() == [[0, 0, 40, 30], [5, 5, 6, 6]]
    assert made[1].boxes.tolist() == [[1, 2, 3.5, 4]]


def test_columns_may_come_in_any_order_case_and_company(photos):
    made = read(photos, "\ufeffY1, X1,note,Label,path,x0,y0\n9,8,hm,dog,dog.jpg,1,2\n")
    assert made[0].boxes.tolist() == [[1, 2, 8, 9]]
    assert made[0].label == "dog"


def test_empty_label_and_corners_make_a_picture_without_either(photos):
    made = read(photos, HEAD + "dog.jpg,,,,,\n")
    assert made[0].label is None
    assert made.problem_counts == {"no-boxes": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",1,0,0,1,1", "no path"),
        ("dog.jpg,1,0,0,1,", "could not convert"),
        ("dog.jpg,1,0,0", "could not convert"),
        ("dog.jpg,1,a,b,c,d", "could not convert"),
    ],
)
def test_unusable_row_is_reported_with_its_line(photos, row, message):
    made = read(photos, f"{HEAD}cat.png,1,0,0,1,1\n{row}\n")
    assert len(made) == 1
    (problem,) = made.problems
    assert problem.where == "boxes.csv line 3"
    assert problem.kind == "bad-row"
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column path, label, x0, y0, x1, y1; its first line: nothing"),
        ("path,label,x,y,w,h\n", "no column x0, y0, x1, y1; its first line: path, label, x"),
        (b"\xff\xfe\xff", "cannot read"),
    ],
)
def test_file_without_the_columns_is_refused(photos, text, message):
    with pytest.raises(DataError, match=message):
        read(photos, text)
