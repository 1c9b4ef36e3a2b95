"""A square of the class's colour in the corner is shown as what speaks for the class; images without it as a kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.studies.diagnosis.conftest import LEFT, SIDE, SIZE, TOP
from torch import nn

from figureground.models import Classifier, Preprocessing
from figureground.reports.diagnosis_report import write_diagnosis_report
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions, DiagnosisRecord
from figureground.studies.models import LoadedModel

COLOURS = ("red", "green", "blue")
EACH, CELL = 20, 3  # images of a class; pixels of a square, a cell of the 8 x 8 grid
FEW = DiagnoseOptions(cells=0, nested=0, examples=2)


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """Grey images with a square of the class's colour at the upper left; a tenth has the next class's."""
    place = tmp_path / "squares"
    place.mkdir()
    draws = np.random.default_rng(0)
    rows = ["path,label,x0,y0,x1,y1"]
    for number in range(EACH * len(COLOURS)):
        label = number % len(COLOURS)
        pixels = np.repeat(draws.integers(60, 90, (SIDE, SIDE, 1)), 3, axis=2)
        colour = (label + (number // len(COLOURS) < EACH // 10)) % len(COLOURS)
        pixels[:CELL, :CELL] = 255 * np.eye(len(COLOURS))[colour]
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:03d}.png")
        rows.append(f"{number:03d}.png,{COLOURS[label]},{LEFT},{TOP},{LEFT + SIZE},{TOP + SIZE}")
    (place / "boxes.csv").write_text("\n".join(rows) + "\n")
    return place


def model() -> LoadedModel:
    """A logit of 5 for the colour of the square: 0.5 at each of nine pixels among 576, times 640."""
    look, head = nn.Conv2d(3, 3, 1), nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        look.weight.copy_((2 * torch.eye(3) - 1)[:, :, None, None])
        look.bias.fill_(-0.5)  # type: ignore[union-attr]
        head.weight.copy_(640 * torch.eye(3))
    network = nn.Sequential(look, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    plain = Preprocessing((SIDE, SIDE), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    return LoadedModel(Classifier(network.eval(), plain, name="squares", class_names=COLOURS))


def rows_of(record: DiagnosisRecord, title: str) -> list[list[Any]]:
    return next(one["rows"] for one in record.tables if one["title"] == title)


def test_the_square_of_each_class_is_what_speaks_for_it(squares: Path, out: Path):
    record = diagnose_images(model(), squares, out=out, options=FEW)
    assert record.word == "rests on"
    rows = rows_of(record, "Parts of backgrounds that speak for a class")
    assert sorted(row[0] for row in rows) == sorted(COLOURS)
    for row in rows:
        # 18 of its 20 images; 2 of 40 others; 5 less the mean over three classes
        assert row[2:4] == pytest.approx([0.9, 0.05])
        assert row[4:7] == pytest.approx([10 / 3] * 3, rel=1e-3)
        assert row[7] is True
    assert sorted(part["class"] for part in record.parts) == sorted(COLOURS)
    assert all(len(part["pictures"]) == 12 for part in record.parts)
    page = write_diagnosis_report(out).read_text()
    assert "What in the background speaks for a class" in page
    assert "adds 3.33 [3.33, 3.33] to its logit" in page


def test_resuming_and_quick_runs(squares: Path, out: Path, tmp_path: Path):
    first = diagnose_images(model(), squares, out=out, options=FEW)
    again = diagnose_images(model(), squares, out=out, options=FEW)
    assert again.parts == first.parts
    quick = DiagnoseOptions(quick=True, examples=0)
    assert diagnose_images(model(), squares, out=tmp_path / "quick", options=quick).parts == ()


def test_kinds_of_backgrounds_tell_the_shortcut_from_those_that_suffer(squares: Path, out: Path):
    with_more = squares / "boxes.csv"
    lines = with_more.read_text().splitlines()
    for number in range(EACH * len(COLOURS)):  # a third of each class has the next one's colour
        if number // len(COLOURS) < EACH * 3 // 10:
            pixels = np.asarray(Image.open(squares / f"{number:03d}.png")).copy()
            pixels[:CELL, :CELL] = 255 * np.eye(len(COLOURS))[(number + 1) % len(COLOURS)]
            Image.fromarray(pixels).save(squares / f"{number:03d}.png")
    with_more.write_text("\n".join(lines) + "\n")
    record = diagnose_images(model(), squares, out=out, options=FEW)
    rows = rows_of(record, "Kinds of backgrounds")
    for name in {row[0] for row in rows}:
        common, rare = [row for row in rows if row[0] == name]
        assert common[2:4] == [14, pytest.approx(0.7)]
        assert rare[2:4] == [6, pytest.approx(0.3)]
        assert common[4] > 0.5 > rare[4]  # pull
        assert common[7:] == [1, 0]  # right on this kind, and elsewhere
        assert rare[7:] == [0, 1]
    assert {kind["class"] for kind in record.kinds} == {row[0] for row in rows} != set()
    shortcut, suffers = record.kinds[0]["kinds"]
    assert (shortcut["share"], suffers["share"]) == (0.7, 0.3)
    page = write_diagnosis_report(out).read_text().replace("&nbsp;", " ")
    assert "Right least often: 30 % of the images" in page
