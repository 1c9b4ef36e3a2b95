"""A command line to type at, and a model and images to type about."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from figureground.cli.main import app

FACTORY = """
import torch
from torch import nn


def build(outputs=3, head=True):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    layers += [] if head else [nn.Linear(8, 8), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(8, outputs))


def broken():
    raise ValueError("no such luck")
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A small network that a file of the user builds."""
    path = tmp_path / "my_net.py"
    path.write_text(FACTORY)
    (tmp_path / "names.txt").write_text("tabby, tabby cat\ntiger cat\nlynx\n")
    return f"{path}:build"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with three photos."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands write below the folder where they are typed: never into that of another test's process."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def type_in() -> Callable[..., Result]:
    """Runs the command line in this process; words are turned into text."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="figureground")

    return run


@pytest.fixture
def explain(type_in: Callable[..., Result], model: str, tmp_path: Path) -> Callable[..., Result]:
    """``figureground explain`` with the small model, in 24 x 32 pixels, into ``out``."""

    def run(*words: object) -> Result:
        fixed = ("--model", model, "--size", "24x32", "--out", tmp_path / "out", "--workers", 1)
        named = ("--class-names", tmp_path / "names.txt")
        return type_in("explain", *fixed, *named, *words)

    return run
