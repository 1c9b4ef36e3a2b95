"""``figureground diagnose``, typed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

NETWORK = """
import torch
from torch import nn

class Frame(nn.Module):
    num_classes = 3
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(400.0))
    def forward(self, images):
        grey = torch.cat([images[..., :2, :].flatten(1), images[..., -2:, :].flatten(1)], 1).mean(1)
        return -self.scale * (grey[:, None] - torch.tensor([0.2, 0.5, 0.8])).square()

def build():
    return Frame()
"""


@pytest.fixture
def typed(tmp_path: Path, type_in: Callable[..., Result]) -> Callable[..., Result]:
    """The command on 30 images of three classes, whose background has the grey of the class."""
    place = tmp_path / "photos"
    place.mkdir()
    rows = ["path,label,x0,y0,x1,y1"]
    for number in range(30):
        label = number % 3
        pixels = np.full((20, 24, 3), round(255 * (0.2 + 0.3 * label)), np.uint8)
        pixels[6:12, 8:16] = 10 * number % 200
        Image.fromarray(pixels).save(place / f"{number}.png")
        rows.append(f"{number}.png,{'abc'[label]},8,6,16,12")
    (place / "boxes.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "names.txt").write_text("a\nb\nc\n")

    def run(*words: object) -> Result:
        model = (
            "--model",
            tmp_path / "net.py:build",
            "--class-names",
            tmp_path / "names.txt",
            "--random",
        )
        size = ("--size", "20x24", "--mean", "0", "--std", "1")
        return type_in("diagnose", place, *model, *size, "--out", tmp_path / "out", *words)

    return run


def test_the_answer_stands_on_the_screen_and_in_the_folder(
    typed: Callable[..., Result], tmp_path: Path
):
    done = typed("--quick", "--examples", 1)
    assert done.exit_code == 0, done.output
    assert "Rests on the background: 100 points of accuracy [100, 100]" in done.stdout
    assert "treatment.yaml --out runs/swap" in done.stdout.replace("\n", " ")
    out = tmp_path / "out"
    names = {
        "record.json",
        "report.html",
        "per_image.csv",
        "pairs.npz",
        "treatment.yaml",
        "tables.md",
    }
    assert names <= {file.name for file in out.iterdir()}
    assert json.loads((out / "record.json").read_text())["word"] == "rests on"


def test_an_image_without_background_is_named_and_the_status_says_so(
    typed: Callable[..., Result], tmp_path: Path
):
    with (tmp_path / "photos" / "boxes.csv").open("a") as file:
        file.write("30.png,a,0,0,24,20\n")
    Image.fromarray(np.full((20, 24, 3), 51, np.uint8)).save(tmp_path / "photos" / "30.png")
    done = typed("--quick", "--examples", 0)
    assert done.exit_code == 2
    assert "its object covers 100%" in done.stderr.replace("\n", " ")


def test_a_run_and_another_model_are_refused(type_in: Callable[..., Result], tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text("name: x\n")
    done = type_in("diagnose", tmp_path / "run", "--model", "timm:resnet18")
    assert done.exit_code == 1
    assert "is a training run and --model names another model" in done.stderr.replace("\n", " ")
