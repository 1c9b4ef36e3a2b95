"""Records on disk: whole or not at all."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from figureground.base.errors import DataError
from figureground.base.record import (
    append_line,
    provenance,
    read_json,
    write_atomically,
    write_json,
)


@dataclass
class Inner:
    value: float
    where: Path


@dataclass
class Outer:
    name: str
    inner: tuple[Inner, ...]
    table: dict[int, float]


def test_dataclasses_paths_and_numbers_come_back(tmp_path):
    content = Outer("é", (Inner(1.5, Path("a") / "b"),), {3: float("nan"), 4: float("inf")})
    path = write_json(tmp_path / "deep" / "record.json", content)
    assert read_json(path) == {
        "name": "é",
        "inner": [{"value": 1.5, "where": "a/b"}],
        "table": {"3": None, "4": None},
    }


def test_a_file_is_replaced_whole_and_nothing_else_stays(tmp_path):
    path = tmp_path / "x.bin"
    write_atomically(path, b"old")
    write_atomically(path, b"new content")
    assert path.read_bytes() == b"new content"
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = write_atomically(tmp_path / "x.bin", b"old")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match=r"cannot write .*x\.bin: No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        write_json(tmp_path / "file" / "record.json", {})


def test_lines_are_added_one_by_one(tmp_path):
    path = tmp_path / "log" / "lines.jsonl"
    for number in range(3):
        append_line(path, {"number": number, "text": "a\nb"})
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [0, 1, 2]


@pytest.mark.parametrize("text", [None, "{", "\x00"])
def test_what_is_no_json_is_reported(text, tmp_path):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"cannot read .*bad\.json"):
        read_json(path)


def test_provenance_names_command_versions_and_seeds():
    found = provenance("figureground explain", seeds=(1, 2))
    assert found.command == "figureground explain"
    assert found.seeds == (1, 2)
    assert found.versions["torch"][0].isdigit()
    assert "cores" in found.machine
    assert provenance().command


def test_a_line_that_cannot_be_written_is_a_data_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match="cannot write"):
        append_line(tmp_path / "file" / "lines.jsonl", {"a": 1})
