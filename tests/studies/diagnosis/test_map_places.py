"""Where maps lie is told beside interventions and decides nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.studies.diagnosis.conftest import NAMES, SIDE, SIZE, Reader, level
from torch import nn

from figureground.models import Classifier, Preprocessing
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions, DiagnosisRecord
from figureground.studies.models import LoadedModel

Make = Callable[..., LoadedModel]
Photos = Callable[..., Path]
FEW = DiagnoseOptions(cells=0, nested=0, examples=0)
AREA = SIZE * SIZE / SIDE**2


class Keeping(nn.Module):
    """Grey of one part of the image, 0 elsewhere."""

    def __init__(self, part: str) -> None:
        super().__init__()
        where = Reader(part).where
        self.where = where * where.numel() / where.sum()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(1, keepdim=True) * self.where


def mapped(part: str) -> LoadedModel:
    """Logits linear in the mean grey of one part, the highest that of the nearest level."""
    head, levels = nn.Linear(1, len(NAMES)), torch.tensor([level(k) / 255 for k in range(4)])
    with torch.no_grad():
        head.weight.copy_(800 * levels[:, None])
        head.bias.copy_(-400 * levels.square())
    network = nn.Sequential(Keeping(part), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    plain = Preprocessing((SIDE, SIDE), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    return LoadedModel(Classifier(network.eval(), plain, name=part, class_names=NAMES))


def told(record: DiagnosisRecord) -> dict[str, Any]:
    return next(one for one in record.tables if one["title"] == "Maps beside interventions")


@pytest.mark.parametrize(("part", "mass"), [("object", 1.0), ("frame", 0.0)])
def test_maps_lie_where_the_network_looks(photos: Photos, out: Path, part: str, mass: float):
    record = diagnose_images(mapped(part), photos(), out=out, options=FEW)
    assert record.word == ("does not" if part == "object" else "rests on")
    own, other, bell, uniform = told(record)["rows"]
    assert own[1:4] == pytest.approx([mass] * 3)
    assert own[4] == pytest.approx(0.0 if part == "frame" else 16 / 64 + 48 / 64 * 48 / 560)  # ties
    assert own[5:8] == pytest.approx([AREA - mass] * 3)
    assert other[1] == pytest.approx(mass)
    assert uniform[1] == pytest.approx(AREA)
    assert uniform[5:8] == pytest.approx([0, 0, 0], abs=1e-6)
    assert AREA < bell[1] < 1
    assert [row[-1] for row in (own, other, bell, uniform)] == [0, 0, 0, 0]
    with np.load(out / "pairs.npz") as arrays:
        np.testing.assert_allclose(arrays["maps/map"], mass, atol=1e-6)
        assert len(arrays["maps/row"]) == 40


def test_a_network_without_maps_says_why_and_is_counted(reader: Make, photos: Photos, out: Path):
    model, place = reader("frame"), photos()
    record = diagnose_images(model, place, out=out, options=FEW)
    own = told(record)["rows"][0]
    assert own[1:-1] == [None] * 9
    assert own[-1] == 40
    assert "No map: " in told(record)["caption"]
    network = model.classifier.network
    assert isinstance(network, Reader)
    network.calls = 0
    again = diagnose_images(model, place, out=out, options=FEW)
    assert network.calls == 0
    assert told(again) == told(record)


def test_maps_that_contradict_the_verdict_are_named(
    photos: Photos, out: Path, monkeypatch: pytest.MonkeyPatch
):
    """The verdict is made of interventions: maps of somebody else's network do not move it."""
    real = diagnose_images(mapped("frame"), photos(), out=out, options=FEW)

    class Forged:
        def __init__(self, _: object) -> None: ...

        def __call__(self, images: torch.Tensor, _: torch.Tensor) -> Any:
            maps = Reader("object").where.expand(len(images), 1, -1, -1)
            return type("Made", (), {"maps": {"grad-cam": maps}})

    monkeypatch.setattr("figureground.studies.diagnosis.map_places.Explainer", Forged)
    other = out.with_name("other")
    forged = diagnose_images(mapped("frame"), photos(folder="twin"), out=other, options=FEW)
    assert forged.verdict == real.verdict
    assert "yet the network rests on the background" in told(forged)["caption"]
    assert "yet the network" not in told(real)["caption"]


def test_quick_makes_no_maps(photos: Photos, out: Path):
    quick = DiagnoseOptions(quick=True, examples=0)
    record = diagnose_images(mapped("frame"), photos(), out=out, options=quick)
    assert "Maps beside interventions" not in {one["title"] for one in record.tables}
