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


@pytest.mark.parametrize("damage", [b"1,0,train,lo", b"\0" * 4096, b"\xff\n"])
def test_a_log_is_what_it_was_whatever_has_come_after_or_over_it(damage, tmp_path):
    history = History(tmp_path / "history.csv")
    assert history.content() == b""
    for step in (1, 2):
        history.add(step, 0, split="train", values={"loss": float(step)})
    kept = history.content()
    history.add(3, 0, split="train", values={"loss": 3.0})
    for mode in ("ab", "wb"):
        with history.path.open(mode) as file:
            file.write(damage)
        history.restore(kept)
        assert history.path.read_bytes() == kept
    history.restore(b"")
    assert history.rows() == []


def test_a_folder_that_cannot_be_is_an_error_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        History(tmp_path / "file" / "history.csv").add(1, 0, split="train", values={"loss": 1.0})
