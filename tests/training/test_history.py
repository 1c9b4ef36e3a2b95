"""The log is cut where a run resumes."""

import pytest

from figureground.base.errors import DataError
from figureground.training.history import History


def test_numbers_come_back_exactly(tmp_path):
    history = History(tmp_path / "deep" / "history.csv")
    assert history.rows() == []
    history.add(3, 0, split="train", values={"loss": 0.1 + 0.2, "accuracy": 1.0})
    first, second = history.rows()
    assert float(first["value"]) == 0.1 + 0.2
    assert (second["step"], second["epoch"], second["split"], second["name"]) == (
        "3",
        "0",
        "train",
        "accuracy",
    )


def test_what_came_after_a_step_is_forgotten_and_half_a_line_too(tmp_path):
    history = History(tmp_path / "history.csv")
    for step in (1, 2):
        history.add(step, 0, split="train", values={"loss": float(step)})
    kept = history.path.read_bytes()
    history.add(3, 0, split="train", values={"loss": 3.0})
    with history.path.open("a") as file:
        file.write("1,0,train,lo")
    history.cut_after(2)
    assert history.path.read_bytes() == kept


def test_a_folder_that_cannot_be_is_an_error_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        History(tmp_path / "file" / "history.csv").add(1, 0, split="train", values={"loss": 1.0})
