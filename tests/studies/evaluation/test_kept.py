"""Rows that survive a stopped job."""

from pathlib import Path

import numpy as np
import pytest

from figureground.base.errors import DataError
from figureground.studies.evaluation.items import SetProblem
from figureground.studies.evaluation.kept import Kept


def test_rows_come_back_in_the_order_of_the_batches(tmp_path: Path):
    kept = Kept(tmp_path, "job")
    kept.add(10, {"a/x": np.array([3.0])})
    kept.add(2, {"a/x": np.array([1.0, 2.0])})
    assert Kept(tmp_path, "job").table()["a/x"].tolist() == [1.0, 2.0, 3.0]


def test_rows_of_another_job_are_left_unread(tmp_path: Path):
    Kept(tmp_path, "old").add(0, {"x": np.array([1.0])})
    fresh = Kept(tmp_path, "new")
    assert not fresh.has(0)
    assert fresh.table() == {}
    fresh.add(0, {"x": np.array([2.0])})
    assert fresh.table()["x"].tolist() == [2.0]


def test_a_batch_file_cut_off_by_a_kill_counts_as_not_there(tmp_path: Path):
    kept = Kept(tmp_path, "job")
    kept.add(0, {"x": np.arange(500.0)})
    file = tmp_path / "parts" / "00000.npz"
    file.write_bytes(file.read_bytes()[:200])
    assert not kept.has(0)


def test_overwrite_forgets(tmp_path: Path):
    Kept(tmp_path, "job").add(0, {"x": np.array([1.0])})
    assert not Kept(tmp_path, "job", overwrite=True).has(0)


def test_problems_are_kept_with_the_rows_and_a_batch_without_pictures_has_only_problems(
    tmp_path: Path,
):
    problem = SetProblem("unreadable-file", "b.png", "left out: no picture")
    kept = Kept(tmp_path, "job")
    kept.add(0, {"x": np.array([1.0])})
    kept.add(1, {}, (problem,))
    again = Kept(tmp_path, "job")
    assert again.has(1)
    assert again.problems() == [problem]
    assert again.table()["x"].tolist() == [1.0]


def test_joined_file_holds_every_column_and_no_pickle(tmp_path: Path):
    kept = Kept(tmp_path, "job")
    kept.add(0, {"name": np.array(["ä.png"]), "x": np.array([0.5], np.float32)})
    with np.load(kept.join(tmp_path / "all.npz"), allow_pickle=False) as arrays:
        assert {name: arrays[name].tolist() for name in arrays.files} == {
            "name": ["ä.png"],
            "x": [0.5],
        }


def test_uneven_columns_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="differ in rows"):
        Kept(tmp_path, "job").add(0, {"x": np.zeros(2), "y": np.zeros(3)})


def test_batches_with_other_columns_are_refused(tmp_path: Path):
    kept = Kept(tmp_path, "job")
    kept.add(0, {"x": np.zeros(2)})
    kept.add(1, {"y": np.zeros(2)})
    with pytest.raises(DataError, match="different columns"):
        kept.table()
