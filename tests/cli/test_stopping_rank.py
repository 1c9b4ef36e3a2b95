"""A ranking killed by force in the middle: the next run ends with the bytes of an undisturbed one."""

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

IMAGES, UNIT = 200, 32
SLOW = """
import os, time
import torch
from torch import nn


class Slow(nn.Sequential):
    def forward(self, images):
        time.sleep(float(os.environ.get("SLOW", "0")))
        return super().forward(images)


def build():
    torch.manual_seed(0)
    return Slow(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""
START = f"""
import sys
from dataclasses import replace
from figureground.cli import main
from figureground.studies.ranking import rank as job

whole = job.rank_images
job.rank_images = lambda *given, options, **named: whole(*given, options=replace(options, unit={UNIT}), **named)
main()
"""


def command(folder: Path, out: str) -> list[str]:
    words = [
        "rank",
        folder / "many",
        "--model",
        f"{folder / 'slow.py'}:build",
        "--out",
        folder / out,
    ]
    words += [
        "--classes",
        "1,2",
        "--top",
        "5",
        "--size",
        "16",
        "--batch-size",
        "7",
        "--workers",
        "1",
    ]
    return [sys.executable, "-c", START, *map(str, words)]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Two hundred small images, one of which is none."""
    (tmp_path / "many").mkdir()
    numbers = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = numbers.integers(0, 255, (18, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "many" / f"{number}.png")
    (tmp_path / "many" / "77.png").write_bytes(b"no image")
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "killed" / "parts").glob("[0-9]*.npz"))


@pytest.mark.slow
def test_a_ranking_killed_by_force_goes_on_and_ends_as_an_undisturbed_one(
    many: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = subprocess.run(command(many, "whole"), capture_output=True, text=True, check=False)
    assert whole.returncode == 2, whole.stderr
    assert "77.png" in whole.stderr
    monkeypatch.setenv("SLOW", "0.2")
    job = subprocess.Popen(command(many, "killed"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not parts(many) and job.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    job.wait(120)
    kept = {part: part.stat().st_mtime_ns for part in parts(many)}
    assert 1 <= len(kept) < IMAGES // UNIT
    left = {path.name for path in (many / "killed").glob("*.*")}
    assert left == {
        "entries.jsonl",
        "figureground.json",
        ".figureground.lock",
    }  # no table, no page and no record
    monkeypatch.setenv("SLOW", "0")
    again = subprocess.run(command(many, "killed"), capture_output=True, text=True, check=False)
    assert again.returncode == 2, again.stderr
    assert f"({UNIT * len(kept)} images in an earlier run)" in again.stdout
    assert all(part.stat().st_mtime_ns == before for part, before in kept.items())
    for name in ("scores.csv", "top.csv"):
        first, second = (many / folder / name for folder in ("whole", "killed"))
        assert first.read_bytes() == second.read_bytes()
    with (many / "killed" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]).stem for row in rows] == [str(n) for n in range(IMAGES)]
    assert [row["path"] for row in rows if row["problem"]] == [str(many / "many" / "77.png")]
    assert not list((many / "killed").rglob("*.part"))
    assert (many / "killed" / "report.html").exists()
