"""Whatever happens to a folder of results, a job ends with the right ones, or names what is wrong."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.studies.jobs import JOBS, again, make_world, snapshot

from figureground.base.errors import FigureGroundError
from figureground.base.record import append_line

ROOT = Path(__file__).parents[2]
FEW = 8  # damaged states of each job
MANY = {
    "train": 600
}  # with 1,100 of each other job 5,000 in all; FIGUREGROUND_DAMAGED_STATES names another count
KILLS, MORE_KILLS = 1, 40
NAMED = "named"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def whole(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an undisturbed job, not to be changed."""
    done: dict[str, Path] = {}

    def find(name: str) -> Path:
        if name not in done:
            done[name] = tmp_path_factory.mktemp("whole") / name
            JOBS[name](world, done[name], False)
        return done[name]

    return find


class Stop(BaseException):
    """What stands for Ctrl-C."""


def stopped_at(write: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop whoever writes for that time."""
    left = [write]

    def counting(usual: Callable[..., None]) -> Callable[..., None]:
        def counted(*what: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Stop
            usual(*what)

        return counted

    monkeypatch.setattr(os, "fsync", counting(os.fsync))
    monkeypatch.setattr("figureground.base.store.append_line", counting(append_line))


def damage(folder: Path, random: np.random.Generator) -> str:
    """One accident to one or two files; in words."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    file, other = (files[int(random.integers(len(files)))] for _ in range(2))
    data = bytearray(file.read_bytes())
    kind = str(random.choice(["flip", "flip", "flips", "cut", "swap", "gone", "zeros", "twice"]))
    if kind in {"flip", "flips"} and data:
        for at in random.integers(0, len(data), 1 if kind == "flip" else 9).tolist():
            data[at] ^= 1 << int(random.integers(8))
        file.write_bytes(data)
    elif kind == "cut":
        file.write_bytes(data[: int(random.integers(len(data) + 1))])
    elif kind == "swap":
        file.write_bytes(other.read_bytes())
        other.write_bytes(data)
    elif kind == "gone":
        file.unlink()
    elif kind == "zeros":
        start = int(random.integers(len(data) + 1))
        file.write_bytes(data[:start] + bytes(len(data) - start))
    else:
        file.write_bytes(data + data)
    return f"{kind}: {file.relative_to(folder)}, {other.relative_to(folder)}"


def fault_of(
    name: str, number: int, *, world: Path, whole: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> str | None:
    """What is wrong with a job's results after an accident, in words; "named" where the accident is named instead."""
    random = np.random.default_rng((number, len(name)))
    shutil.rmtree(out, ignore_errors=True)
    if number % 2:
        shutil.copytree(whole, out)
    else:
        with monkeypatch.context() as patch:
            stopped_at(int(random.integers(3, 9)), patch)
            with pytest.raises(Stop):
                JOBS[name](world, out, False)
    what = f"{name} {number}, {damage(out, random)}"
    expected = snapshot(whole)
    try:
        again(name, world, out)
        found = snapshot(out)
    except FigureGroundError:
        return NAMED
    except Exception as error:  # noqa: BLE001 - whatever comes is the finding
        return f"{what}: {error!r}"
    differ = [file for file, content in expected.items() if found.get(file) != content]
    return f"{what}: {', '.join(differ)} differ" if differ else None


def faults_of(name: str, count: int, **how: Any) -> tuple[list[str], int]:
    """All faults of that many damaged states, finished ones and others; and how many accidents were named."""
    found = [fault_of(name, number, **how) for number in range(count)]
    return [one for one in found if one not in {None, NAMED}], found.count(NAMED)


@pytest.mark.parametrize("name", JOBS)
def test_a_damaged_state_is_mended_or_named(name, world, whole, tmp_path, monkeypatch):
    faults, named = faults_of(
        name, FEW, world=world, whole=whole(name), out=tmp_path / "out", monkeypatch=monkeypatch
    )
    assert faults == []
    assert named < FEW


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_thousands_of_damaged_states_are_mended_or_named(name, world, whole, tmp_path, monkeypatch):
    count = int(os.environ.get("FIGUREGROUND_DAMAGED_STATES", MANY.get(name, 1100)))
    faults, _ = faults_of(
        name, count, world=world, whole=whole(name), out=tmp_path / "out", monkeypatch=monkeypatch
    )
    assert faults == []


@pytest.fixture(scope="module")
def served(world: Path) -> Iterator[Callable[..., tuple[int, int]]]:
    """Runs a job in a process of its own; its exit status, and how often it changed the folder."""
    command = [sys.executable, "-m", "tests.studies.jobs", str(world)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers, questions = process.stdout, process.stdin

        def run(name: str, out: Path, *, kill_at: int = 0) -> tuple[int, int]:
            questions.write(f"{name} {kill_at} {out}\n")
            questions.flush()
            status, changes = answers.readline().split()
            return int(status), int(changes)

        yield run
        questions.close()


def outlives(
    name: str, kills: int, *, served: Callable[..., tuple[int, int]], folder: Path
) -> None:
    """Kill a job at random changes of its folder, once or several times, and let it end."""
    random = np.random.default_rng(len(name))
    reference = folder / "whole"
    status, changes = served(name, reference)
    assert status == 0
    expected = snapshot(reference)
    done = 0
    while done < kills:
        out = folder / f"killed {done}"
        for _ in range(int(random.integers(1, 4))):
            status, _ = served(name, out, kill_at=int(random.integers(1, changes + 1)))
            assert status in {0, 9}
            done += status == 9
        status, _ = served(name, out)
        assert status == 0
        assert snapshot(out) == expected
        shutil.rmtree(out)


@pytest.mark.parametrize("name", JOBS)
def test_a_killed_job_ends_like_an_undisturbed_one(name, served, tmp_path):
    outlives(name, KILLS, served=served, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_jobs_that_are_killed_again_and_again_end_like_undisturbed_ones(name, served, tmp_path):
    outlives(name, MORE_KILLS, served=served, folder=tmp_path)


TWO = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from tests.studies.jobs import JOBS
usual, slept = os.fsync, []
def slow(handle):
    usual(handle)
    if not slept:
        slept.append(1)
        print("writing", flush=True)
        sys.stdin.readline()
os.fsync = slow
JOBS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), False)
"""


@pytest.mark.parametrize(
    "name",
    [name if name == "explain" else pytest.param(name, marks=pytest.mark.slow) for name in JOBS],
)
def test_of_two_processes_one_works_and_the_other_is_told(name, world, whole, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", TWO, name, str(world), str(out), str(ROOT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "writing\n"
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        with pytest.raises(FigureGroundError, match=f"is in use by process {first.pid} on "):
            again(name, world, out)
        with pytest.raises(FigureGroundError, match=f"is in use by process {first.pid} on "):
            JOBS[name](world, out, False)
        assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        first.communicate("go on\n")
    assert first.returncode == 0
    assert snapshot(out) == snapshot(whole(name))
