"""A folder has one owner: one kind of job, one question, one process at a time."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from figureground.base.claim import claimed, kind_of, locked
from figureground.base.errors import DataError

HOLD = """
import sys, time
from figureground.base.claim import claimed
with claimed(sys.argv[1], "explain") as claim:
    claim.mark({"methods": "cam"})
    print("held", flush=True)
    time.sleep(60)
"""


def everything_in(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder that an explain job has made."""
    with claimed(tmp_path / "job", "explain") as claim:
        claim.mark({"methods": "cam", "layer": "none"}, ["a.png"])
    return tmp_path / "job"


def test_a_folder_carries_its_kind_and_its_question(job: Path):
    assert kind_of(job) == "explain"
    assert set(everything_in(job)) == {"figureground.json"}
    with claimed(job, "explain") as claim:
        assert claim.files == ["a.png"]
        claim.check({"layer": "none", "methods": "cam"})


def test_a_job_that_writes_nothing_leaves_nothing(tmp_path: Path):
    with pytest.raises(OSError, match="stop"), claimed(tmp_path / "a" / "b", "explain"):
        raise OSError("stop")
    assert list(tmp_path.iterdir()) == []


def test_another_question_is_refused_with_what_differs_unless_it_may_replace(job: Path):
    with claimed(job, "explain") as claim:
        other = {"methods": "cam, eigen-cam", "layer": "none"}
        with pytest.raises(
            DataError, match=r"methods: cam there, cam, eigen-cam here.*--out, .*--overwrite"
        ):
            claim.check(other)
        claim.check(other, overwrite=True)
        claim.give_up()
        claim.check(other)
        assert claim.files == ["a.png"]


@pytest.mark.parametrize("kind", ["rank", "train", "background", "comparison"])
def test_another_kind_is_refused_before_anything_is_written(kind: str, job: Path):
    before = everything_in(job)
    with pytest.raises(DataError, match=f"holds results of 'explain', not of '{kind}'"):
        claimed(job, kind).__enter__()
    assert everything_in(job) == before


def test_a_training_run_is_refused_to_all_others(tmp_path: Path):
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(DataError, match="holds a training run; name another folder with --out"):
        claimed(tmp_path, "explain").__enter__()
    with claimed(tmp_path, "train"):
        pass


def test_what_somebody_else_has_put_there_is_not_written_over(tmp_path: Path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "000100.png").touch()
    with pytest.raises(DataError, match="holds 'train', which no job of this kind has written"):
        claimed(tmp_path, "background", writes=("val", "train")).__enter__()
    with claimed(tmp_path, "explain", writes=("images",)):
        pass


@pytest.mark.parametrize("change", ["cut", "flip", "other", "empty"])
def test_a_damaged_mark_is_named_and_not_trusted(change: str, job: Path):
    file = job / "figureground.json"
    data = bytearray(file.read_bytes())
    at = data.index(b"explain") + 3
    data[at] ^= 4
    changed = {"cut": data[:30], "flip": data, "other": b'{"kind": "explain"}', "empty": b""}
    file.write_bytes(bytes(changed[change]))
    with pytest.raises(DataError, match=r"figureground\.json is damaged"):
        claimed(job, "explain").__enter__()
    (job / "record.json").write_text('{"kind": "explain"}')  # which tells the kind, too
    with claimed(job, "explain") as claim:
        assert claim.files == []


def test_whoever_holds_the_folder_may_claim_it_again_and_another_thread_may_not(tmp_path: Path):
    told: list[str] = []

    def other() -> None:
        try:
            claimed(tmp_path, "explain").__enter__()
        except DataError as error:
            told.append(str(error))

    with locked(tmp_path), claimed(tmp_path, "explain"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert f"is in use by process {os.getpid()} on " in told[0]
    with claimed(tmp_path, "explain"):
        pass


def test_another_process_is_told_who_works_there_and_a_killed_one_holds_nothing(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        before = everything_in(tmp_path)
        with pytest.raises(DataError, match=f"in use by process {process.pid} on .*; wait until"):
            claimed(tmp_path, "explain").__enter__()
        assert everything_in(tmp_path) == before
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / ".figureground.lock").exists()
    with claimed(tmp_path, "explain") as claim:
        claim.check({"methods": "cam"})
    assert not (tmp_path / ".figureground.lock").exists()


@pytest.mark.parametrize("text", ["", "999999999 elsewhere\n", "no lock at all", "1 2 3\n"])
def test_a_lock_file_that_nobody_holds_is_taken_over(text: str, tmp_path: Path):
    (tmp_path / ".figureground.lock").write_text(text)
    with claimed(tmp_path, "explain"):
        held = (tmp_path / ".figureground.lock").read_text().split()
        assert held[0] == str(os.getpid())


def test_a_folder_without_a_mark_is_known_by_its_record(tmp_path: Path):
    assert kind_of(tmp_path) is None
    for record, kind in (
        ({"kind": "rank"}, "rank"),
        ({"fractions": [1, 0, 0]}, "background"),
        ([], None),
        ({"kind": "explain"}, "explain"),
    ):
        (tmp_path / "record.json").write_text(json.dumps(record))
        assert kind_of(tmp_path) == kind
