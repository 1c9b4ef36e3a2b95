"""Numbers and names become labels from 0 with the background last, and what is none of the classes is named."""

import pytest

from figureground.base.errors import DataError
from figureground.data.loaders.shards import shard_parts, shards
from figureground.data.loaders.told_labels import class_names_beside, numbered


def labels(told, names=None, train=None):
    found, classes = numbered(
        told, names, places=range(len(told)), train=told if train is None else train
    )
    return found.tolist(), classes


def test_numbers_are_taken_as_they_are_and_unnamed_ones_between_them_count():
    assert labels([3, "1", -1]) == ([3, 1, -1], ("0", "1", "2", "3"))
    assert labels(["007", 0]) == ([7, 0], tuple("01234567"))


def test_a_number_among_names_is_a_name():
    assert labels(["cat", 10, "9", "Background"]) == ([2, 1, 0, 3], ("9", "10", "cat"))


def test_background_among_given_names_is_the_last_and_those_behind_it_move_up():
    names = ("ant", "BACKGROUND", "bee")
    assert labels([0, 1, 2, "bee", "BACKGROUND", "background"], names) == (
        [0, 2, 1, 1, 2, 2],
        ("ant", "bee"),
    )


def test_digits_that_are_names_are_looked_up_as_names_and_numbers_as_numbers():
    assert labels(["8", "3", 0], ("3", "8")) == ([1, 0, 0], ("3", "8"))


@pytest.mark.parametrize("strange", [2, "2", "cow", -2, "-3", "²"])
def test_what_is_none_of_the_classes_is_named_with_its_place(strange):
    with pytest.raises(DataError, match=r"^1 has the label .* none of the 2 classes \(ant, bee\)"):
        labels([0, strange], ("ant", "bee"))


def test_labels_of_another_part_are_those_of_the_training_part():
    assert labels(["bee"], train=["ant", "bee"]) == ([1], ("ant", "bee"))
    assert labels([0], train=[0, 1, 2]) == ([0], ("0", "1", "2"))
    with pytest.raises(DataError, match="0 has the label 3"):
        labels([3], train=[0, 1, 2])


@pytest.mark.parametrize("told", [[], [-1, "-1"], ["background"]])
def test_no_class_at_all_is_refused(told):
    with pytest.raises(DataError, match="no image has a label of a class"):
        labels(told)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("classes.txt", "ant\n cat bee \n"),
        ("classes.json", '["ant", "cat bee"]'),
        ("classes.json", '{"1": "cat bee", "0": "ant"}'),
        ("classes.json", '{"cat bee": 1, "ant": 0}'),
    ],
)
def test_class_names_are_read_from_the_first_folder_that_has_them(tmp_path, name, content):
    assert class_names_beside([tmp_path / "none", tmp_path]) is None
    (tmp_path / name).write_text(content)
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "classes.txt").write_text("other\n")
    found = class_names_beside([tmp_path / "none", tmp_path, tmp_path / "deeper"])
    assert found == ("ant", "cat bee")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("classes.txt", "", "no list of class names"),
        ("classes.txt", "ant\n\nbee", "no list of class names"),
        ("classes.json", '{"ant": 1}', "no list of class names"),
        ("classes.json", "[1, 2]", "no list of class names"),
        ("classes.json", '{"1": "ant"}', "no list of class names"),
        ("classes.json", "7", "no list of class names"),
        ("classes.json", "{", r"classes\.json"),
        ("classes.txt", "ant\nant", "names a class twice"),
    ],
)
def test_a_file_of_class_names_that_is_none_is_refused(tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told):
        class_names_beside([tmp_path])


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["a.tar", "b.tar"], {"all": ["a.tar", "b.tar"]}),
        (["train-2.tar", "train-10.tar"], {"all": ["train-2.tar", "train-10.tar"]}),
        (["test-1.tar", "val-1.tar"], {"all": ["test-1.tar", "val-1.tar"]}),
        (["a-Test.tar", "train/test.tar"], {"train": ["train/test.tar"], "test": ["a-Test.tar"]}),
        (["training.tar", "x_dev_3.tar", ".train.tar"], {"train": ["training.tar"], "val": ["x_dev_3.tar"]}),
    ],
)  # fmt: skip
def test_files_are_of_the_part_that_their_outermost_word_says(tmp_path, names, parts):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert shard_parts(tmp_path, ".tar") == tuple(parts)
    for part, files in parts.items():
        assert shards(tmp_path, part, ".tar") == [tmp_path / name for name in files]


def test_a_file_that_speaks_of_two_parts_is_asked_about(tmp_path):
    for name in ("train.tar", "train-val.tar", "test.tar"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"of which part is .*train-val\.tar\? .* or several"):
        shard_parts(tmp_path, ".tar")
