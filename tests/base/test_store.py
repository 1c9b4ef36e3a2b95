"""What a job has finished is found again, and nothing else is; nobody else's files are touched."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from figureground.base.claim import claimed
from figureground.base.errors import DataError
from figureground.base.record import sealed
from figureground.base.store import Store, job_of_version

MARK = "figureground.json"
WANTED = {"a": "key a", "b": "key b", "c": "key c"}


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Store]:
    """Opens the folder ``job`` for three units."""

    def open_store(**changes: Any) -> Store:
        asked: dict[str, Any] = {"job": "one", "asked": {}, "wanted": WANTED}
        with claimed(tmp_path / "job", "explain", writes=("images", "parts")) as claim:
            return Store(claim, **{**asked, **changes})

    return open_store


@pytest.fixture
def filled(opened: Callable[..., Store], tmp_path: Path) -> Path:
    """A folder with two finished units: ``a`` has two files, ``b`` an array."""
    store = opened()
    store.begin()
    (tmp_path / "job" / "images").mkdir(parents=True)
    for name in ("a.png", "a.npz"):
        (tmp_path / "job" / "images" / name).write_bytes(b"12345")
    store.add("a", {"what": "first"}, ["images/a.png", "images/a.npz"])
    store.add_columns("b", {"row": np.arange(3), "score": np.array([0.5, np.nan, 2.0])})
    return tmp_path / "job"


def lines_of(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "entries.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def rewrite(folder: Path, **changes: Any) -> None:
    """Change fields in all lines, whose checksums stay right."""
    lines = [json.dumps(resealed(one, **changes)) + "\n" for one in lines_of(folder)]
    (folder / "entries.jsonl").write_text("".join(lines))


def resealed(entry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A line with other fields and their checksum."""
    return sealed({name: value for name, value in {**entry, **changes}.items() if name != "check"})


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_finished_units_are_found_again_with_what_was_added(
    opened: Callable[..., Store], filled: Path
):
    again = opened()
    assert again.count == 2
    assert again.unfinished() == ["c"]
    first, second = again.entries()
    assert (first["unit"], first["what"]) == ("a", "first")
    assert first["files"] == dict.fromkeys(("images/a.png", "images/a.npz"), zlib.crc32(b"12345"))
    assert second["files"] == {"parts/b.npz": zlib.crc32((filled / "parts/b.npz").read_bytes())}


def test_columns_are_joined_in_the_order_of_the_units_not_of_their_end(
    opened: Callable[..., Store], tmp_path: Path
):
    store = opened()
    for unit, first in (("c", 5), ("a", 0), ("b", 3)):
        store.add_columns(unit, {"row": np.arange(first, first + 2)})
    assert store.columns()["row"].tolist() == [0, 1, 3, 4, 5, 6]
    assert store.write_columns("all.npz")["row"].tolist() == [0, 1, 3, 4, 5, 6]
    with np.load(tmp_path / "job" / "all.npz") as written:
        assert written["row"].tolist() == [0, 1, 3, 4, 5, 6]
    assert store.unfinished() == []


def test_a_unit_with_another_key_is_done_again(opened: Callable[..., Store], filled: Path):
    store = opened(wanted={**WANTED, "a": "changed"})
    assert store.unfinished() == ["a", "c"]
    assert files_in(filled) >= {"images/a.png", "images/a.npz"}  # until there is a new result
    store.begin()
    assert files_in(filled) == {MARK, "entries.jsonl", "parts/b.npz"}
    assert [one["unit"] for one in lines_of(filled)] == ["b"]


def test_lines_and_files_of_another_job_go_only_when_a_result_is_at_hand(
    opened: Callable[..., Store], filled: Path
):
    (filled / "record.json").write_text('{"kind": "explain"}')
    before = {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()}
    store = opened(job="other")
    assert (store.count, store.unfinished()) == (0, ["a", "b", "c"])
    assert before == {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()}
    store.begin()
    assert files_in(filled) == {MARK, "entries.jsonl"}
    assert lines_of(filled) == []


@pytest.mark.parametrize("content", [b"1234", b"123456", b"12344", b"", None])
def test_a_file_of_another_content_or_none_is_made_again(
    content: bytes | None, opened: Callable[..., Store], filled: Path
):
    file = filled / "images" / "a.npz"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert opened().unfinished() == ["a", "c"]


def test_an_array_of_equal_size_but_other_bytes_is_made_again(
    opened: Callable[..., Store], filled: Path
):
    file = filled / "parts" / "b.npz"
    whole = bytearray(file.read_bytes())
    whole[40] ^= 1
    file.write_bytes(whole)
    assert opened().unfinished() == ["b", "c"]


def test_an_array_damaged_after_the_start_is_refused(opened: Callable[..., Store], filled: Path):
    store = opened(wanted={"b": "key b"})
    file = filled / "parts" / "b.npz"
    file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(DataError, match=r"parts/b\.npz is damaged; run again"):
        store.columns()


@pytest.mark.parametrize(
    "line",
    ["{", "damaged\n", "[]\n", "{}\n", "7\n", '{"unit": "c"}\n', '{"unit": ["c"]}\n', "[" * 9999 + "\n"],
    ids=lambda line: line[:12].strip(),
)  # fmt: skip
def test_half_and_strange_lines_are_no_entries(
    line: str, opened: Callable[..., Store], filled: Path
):
    with (filled / "entries.jsonl").open("a") as file:
        file.write(line)
    store = opened()
    assert (store.count, store.unfinished()) == (2, ["c"])
    assert [one["unit"] for one in store.entries()] == ["a", "b"]
    store.begin()
    assert [one["unit"] for one in lines_of(filled)] == ["a", "b"]


def test_the_last_line_cut_in_half_by_a_kill_is_done_again(
    opened: Callable[..., Store], filled: Path
):
    lines = (filled / "entries.jsonl").read_bytes()
    (filled / "entries.jsonl").write_bytes(lines[:-1])
    store = opened()
    assert store.unfinished() == ["b", "c"]
    store.add_columns("b", {"row": np.arange(2)})
    assert [one["unit"] for one in lines_of(filled)] == ["a", "b"]


@pytest.mark.parametrize(
    "files",
    [
        {"../mine.txt": 4},
        {"mine.txt": 4},
        {"images/../mine.txt": 4},
        {"images/..": 4},
        {"images/sub/mine.txt": 4},
        {"record.txt": 4, "parts/../../outside.txt": 4},
        ["mine.txt"],
        "mine.txt",
        None,
    ],
    ids=repr,
)
def test_files_elsewhere_are_never_deleted_whatever_a_line_says(
    files: object, opened: Callable[..., Store], filled: Path
):
    others = ["mine.txt", "../mine.txt", "../outside.txt", "record.txt", "images/sub/mine.txt"]
    for name in others:
        (filled / name).parent.mkdir(exist_ok=True)
        (filled / name).write_text("mine")
    absolute = filled.parent / "absolute.txt"
    absolute.write_text("mine")
    if isinstance(files, dict):
        files = {**files, str(absolute): 4}
    rewrite(filled, files=files)
    opened(job="other").begin()
    assert all((filled / name).read_text() == "mine" for name in others)
    assert absolute.read_text() == "mine"
    assert lines_of(filled) == []


def test_files_in_folders_that_divide_ours_go_with_their_line(
    opened: Callable[..., Store], filled: Path
):
    (filled / "images" / "3f").mkdir()
    (filled / "images" / "3f" / "a.png").write_bytes(b"12345")
    rewrite(filled, files={"images/3f/a.png": 0})
    opened(job="other").begin()
    assert not (filled / "images" / "3f" / "a.png").exists()


def test_strangers_in_the_folders_of_results_stay_and_half_files_go(
    opened: Callable[..., Store], filled: Path
):
    (filled / "images" / "notes.txt").write_text("mine")
    (filled / "images" / "3f").mkdir()
    for name in (".a.png.77.part", "3f/.b.png.77.part"):
        (filled / "images" / name).write_bytes(b"half")
    opened(job="other").begin()
    assert files_in(filled) == {MARK, "entries.jsonl", "images/notes.txt"}


def test_a_file_that_two_jobs_have_stays_with_the_one_that_counts(
    opened: Callable[..., Store], filled: Path
):
    (line, *_) = lines_of(filled)
    with (filled / "entries.jsonl").open("a") as file:
        file.write(json.dumps(resealed(line, job=job_of_version("other"))) + "\n")
    opened().begin()
    assert files_in(filled) >= {"images/a.png", "images/a.npz"}


def test_units_that_are_not_wanted_this_time_are_kept(opened: Callable[..., Store], filled: Path):
    store = opened(wanted={"c": "key c"})
    store.add("c", {})
    assert store.count == 3
    assert [one["unit"] for one in lines_of(filled)] == ["a", "b", "c"]
    assert files_in(filled) >= {"images/a.png", "parts/b.npz"}


def test_overwrite_does_the_wanted_units_again_and_no_others(
    opened: Callable[..., Store], filled: Path
):
    store = opened(wanted={"a": "key a"}, overwrite=True)
    assert (store.count, store.unfinished()) == (1, ["a"])
    store.begin()
    assert files_in(filled) == {MARK, "entries.jsonl", "parts/b.npz"}


def test_the_record_of_an_earlier_run_goes_with_the_first_result(
    opened: Callable[..., Store], filled: Path
):
    record = filled / "record.json"
    record.write_text('{"kind": "explain"}')
    store = opened()
    assert record.exists()
    store.add("c", {})
    assert not record.exists()
    record.write_text('{"kind": "explain"}')
    store.begin()  # the second call does nothing
    assert record.exists()


def test_a_unit_without_a_usable_image_is_finished_and_adds_no_row(
    opened: Callable[..., Store], filled: Path
):
    store = opened()
    store.add_columns("c", {}, {"problems": ["broken"]})
    again = opened()
    assert again.unfinished() == []
    assert [
        len(part["row"]) for _, part in opened(wanted={"c": "key c", "b": "key b"}).parts()
    ] == [3]
    assert list(again.entries())[-1]["problems"] == ["broken"]
    assert opened(wanted={"c": "key c"}).columns() == {}
    assert filled.is_dir()


def test_columns_that_do_not_fit_are_refused(opened: Callable[..., Store]):
    store = opened()
    with pytest.raises(DataError, match="differ in rows"):
        store.add_columns("a", {"x": np.zeros(2), "y": np.zeros(3)})
    store.add_columns("a", {"x": np.zeros(2)})
    store.add_columns("b", {"y": np.zeros(2)})
    with pytest.raises(DataError, match="have different columns"):
        opened(wanted={"a": "key a", "b": "key b"}).columns()


def test_a_record_that_is_damaged_is_no_hindrance(opened: Callable[..., Store], filled: Path):
    (filled / "record.json").write_bytes(b"\x00{}")
    assert opened().unfinished() == ["c"]


@pytest.mark.parametrize("record", ['{"kind": "rank"}', '{"fractions": [1, 0, 0]}'])
def test_a_folder_of_another_kind_is_refused_and_left_as_it_is(
    record: str, opened: Callable[..., Store], filled: Path
):
    (filled / "record.json").write_text(record)
    before = files_in(filled)
    with pytest.raises(DataError, match=r"not of 'explain'; name another folder with --out"):
        opened()
    assert files_in(filled) == before


def test_a_training_run_is_refused(opened: Callable[..., Store], filled: Path):
    (filled / "recipe.yaml").touch()
    with pytest.raises(DataError, match="holds a training run; name another folder"):
        opened()


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match="cannot write"),
        claimed(tmp_path / "file" / "out", "explain"),
    ):
        pass
