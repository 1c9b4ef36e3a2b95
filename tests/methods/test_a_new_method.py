"""A method is one file and one entry of the registry: every command then takes it by name."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import figureground as fg
from figureground.base.paper import Paper
from figureground.cli.main import app
from figureground.methods import METHODS, MethodEntry

FILE = '''"""Peak-CAM: the strongest channel at each position."""

from dataclasses import dataclass

from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS


@dataclass(frozen=True)
class PeakCAM(CamMethod):
    """The strongest channel at each position, times a factor."""

    factor: float = 1.0

    entry = METHODS["peak-cam"]

    def maps(self, inputs: MethodInputs):
        """Raw maps ``(N, 1, h, w)``."""
        return self.factor * inputs.activations.amax(1, keepdim=True)
'''
MODEL = ("--model", "figureground:lenet-gap", "--random")


@pytest.fixture
def _registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "peak_cam.py").write_text(FILE)
    monkeypatch.setattr("figureground.methods.__path__", [*fg.methods.__path__, str(tmp_path)])
    paper = Paper("Nobody", "Peaks", 2026, "nowhere")
    entry = MethodEntry("peak-cam", "Peak-CAM", "peak_cam.PeakCAM", paper, class_specific=False)
    monkeypatch.setitem(METHODS, "peak-cam", entry)


def ran(*words: str) -> str:
    found = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.mark.usefixtures("_registered")
def test_one_file_and_one_entry_are_a_method_of_every_command(tmp_path: Path):
    assert "peak-cam" in ran("ls", "methods")
    assert "peak-cam" in ran("doctor", *MODEL, "--size", "28x28")
    Image.new("RGB", (40, 30), (200, 90, 10)).save(tmp_path / "photo.png")
    out = tmp_path / "explained"
    ran(
        "explain",
        str(tmp_path / "photo.png"),
        *MODEL,
        "--methods",
        "PeakCAM(factor=2.5)",
        "--out",
        str(out),
    )
    record = json.loads((out / "record.json").read_text())
    assert record["methods"] == {"peak-cam(factor=2.5)": "PeakCAM(factor=2.5)"}
    out = tmp_path / "measured"
    ran(
        *("evaluate", "localisation", "clutter", *MODEL, "--methods", "peak-cam,grad-cam"),
        *("--count", "6", "--out", str(out)),
    )
    record = json.loads((out / "record.json").read_text())
    assert [row[0] for row in record["tables"][0]["rows"]][:2] == ["peak-cam", "grad-cam"]


@pytest.mark.usefixtures("_registered")
def test_its_maps_are_its_own_and_its_layer_is_honoured():
    net = fg.load_classifier("figureground:lenet-gap", random=True)
    images = torch.rand(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    result = fg.Explainer(net, layer="pool")(images, methods="peak-cam")
    with torch.no_grad():
        net.get_submodule("network.pool").register_forward_hook(
            lambda _m, _i, given: kept.append(given)
        )
        kept: list[torch.Tensor] = []
        net(images)
    torch.testing.assert_close(result.map_of("peak-cam"), kept[-1].amax(1, keepdim=True))
