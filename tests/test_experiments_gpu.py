"""The jobs of a quarter of an hour on a GPU: sorted by worth a minute, and none done twice."""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script ``experiments/gpu_quarter_hour.py``."""
    if not EXPERIMENTS.exists():
        pytest.skip("the experiments are not part of this copy")
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("gpu_quarter_hour")


def test_jobs_are_listed_by_worth_a_minute_and_fit_a_quarter_of_an_hour(
    jobs: ModuleType, capsys: pytest.CaptureFixture[str]
):
    assert jobs.main(["--list"]) == 0
    *lines, total = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == set(jobs.JOBS)
    worth = [float(line.split()[1]) for line in lines]
    assert worth == sorted(worth, reverse=True)
    assert float(total.split()[1]) <= 15


def test_a_finished_job_is_not_repeated_and_a_failed_one_is(
    jobs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trace = tmp_path / "trace"
    words = [sys.executable, "-c", f"open({str(trace)!r}, 'a').write('x'); print('| 3 |')"]
    job = jobs.Job("?", 1, 1, lambda _place, _given: [[words]], jobs.tables)
    failing = jobs.Job("?", 1, 1, lambda _place, _given: [[[sys.executable, "-c", "1 / 0"]]], len)
    monkeypatch.setattr(jobs, "JOBS", {"one": job, "other": failing})
    for _ in range(2):
        assert jobs.main(["--all", "--out", str(tmp_path / "out")]) == 1
    assert trace.read_text() == "x"
    kept = json.loads((tmp_path / "out" / "one.json").read_text())
    assert kept["results"] == ["| 3 |"]
    assert kept["device"]
    assert not (tmp_path / "out" / "other.json").exists()
