import json
from pathlib import Path
from typing import Any

import pytest

from figureground.base.errors import ModelError
from figureground.models import read_class_names


def test_a_text_file_has_one_name_per_line(tmp_path: Path):
    (tmp_path / "names.txt").write_text(" tabby cat\nköning\n\n", encoding="utf-8")
    assert read_class_names(tmp_path / "names.txt") == ("tabby cat", "köning")


@pytest.mark.parametrize(
    "content",
    [["a", "b"], {"1": "b", "0": "a"}, {"0": ["n1", "a"], "1": ["n2", "b"]}],
)
def test_json_may_be_a_list_or_an_object(content: Any, tmp_path: Path):
    (tmp_path / "names.json").write_text(json.dumps(content))
    assert read_class_names(str(tmp_path / "names.json")) == ("a", "b")


def test_ten_comes_after_nine(tmp_path: Path):
    content = {str(index): f"name {index}" for index in reversed(range(12))}
    (tmp_path / "names.json").write_text(json.dumps(content))
    assert read_class_names(tmp_path / "names.json")[9:] == ("name 9", "name 10", "name 11")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{"0": "a", "2": "b"}', "each index from 0 to 1"),
        ("a.json", '"a"', "a list of names"),
        ("a.json", "[1, 2]", "no name"),
        ("a.json", "[", "cannot read"),
        ("a.txt", "a\n\nb\n", "no name for class 1"),
        ("a.txt", "", "no name for class 0"),
    ],
)
def test_what_is_no_list_of_names_is_refused(name: str, content: str, message: str, tmp_path: Path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=message):
        read_class_names(tmp_path / name)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="cannot read class names"):
        read_class_names(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="cannot read class names"):
        read_class_names(tmp_path / "binary.txt")


@pytest.mark.parametrize(
    "text",
    [
        '\ufeff["a", "b, c"]',
        '{"id2label": {"0": "a", "1": "b, c"}, "architectures": ["X"]}',
        '{"b, c": 1, "a": 0}',
        "{0: 'a',\n 1: 'b, c'}",
    ],
)
def test_names_in_the_forms_that_others_write(text: str, tmp_path: Path):
    for name in ("names.json", "config.json", "names.txt"):
        if text.startswith("\ufeff") and name.endswith("txt"):
            continue  # lines of plain text
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert read_class_names(tmp_path / name) == ("a", "b, c")


def test_damaged_lists_are_refused_in_words(tmp_path: Path):
    for text in ("{", "[" * 5000, "{0: __import__('os')}", '{"a": 0, "b": 2}', "{}"):
        (tmp_path / "n.json").write_text(text)
        with pytest.raises(ModelError):
            read_class_names(tmp_path / "n.json")
