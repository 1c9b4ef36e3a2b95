"""A job stopped from outside, by Ctrl-C or by force: what is finished stays, the next run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PHOTOS = 12
SLOW = """
import time
from torch import nn


class Slow(nn.Sequential):
    def forward(self, images):
        time.sleep(0.2)
        return super().forward(images)


def build():
    return Slow(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""


def command(folder: Path, images: Path) -> list[str]:
    words = ["explain", images, "--model", f"{folder / 'slow.py'}:build", "--out", folder / "out"]
    words += ["--size", "32", "--batch-size", "1", "--workers", "1"]
    start = "import sys; from figureground.cli import main; main()"
    return [sys.executable, "-c", start, *map(str, words)]


def finished(folder: Path) -> list[dict[str, Any]]:
    path = folder / "out" / "entries.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_is_finished_is_whole_and_the_next_run_does_the_rest(
    how: signal.Signals, images: Path, tmp_path: Path
):
    for number in range(3, PHOTOS):
        os.link(images / "0.png", images / f"{number}.png")
    (tmp_path / "slow.py").write_text(SLOW)
    job = subprocess.Popen(command(tmp_path, images), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while len(finished(tmp_path)) < 3 and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    job.send_signal(how)
    _, said = job.communicate(timeout=120)
    if how == signal.SIGINT:
        assert job.returncode == 130
        assert "interrupted; what is finished is kept" in said
        assert "Traceback" not in said
    done = finished(tmp_path)
    assert 3 <= len(done) < PHOTOS
    assert not (tmp_path / "out" / "record.json").exists()
    for entry in done:
        with np.load(tmp_path / "out" / entry["npz"]) as maps:
            assert np.isfinite(maps["grad-cam/1"]).all()
        assert all((tmp_path / "out" / panel["png"]).exists() for panel in entry["panels"])
    again = subprocess.run(command(tmp_path, images), capture_output=True, text=True, check=True)
    assert f"{PHOTOS} images explained ({len(done)} of them in an earlier run)" in again.stdout
    assert len({entry["unit"] for entry in finished(tmp_path)}) == PHOTOS
    assert not list((tmp_path / "out").rglob("*.part"))
