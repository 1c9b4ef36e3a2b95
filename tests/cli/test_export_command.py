"""``figureground export``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]

TINY = """
name: tiny
epochs: 1
batch_size: 8
data: {name: cluttered-digits, count: 16}
model:
  name: figureground:lenet-gap
  arguments: {channels: 1}
  preprocessing: {size: [12, 12]}
"""


@pytest.fixture
def run(type_in: Run, tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(TINY)
    done = type_in("train", "tiny.yaml", "--out", "run", "--accelerator", "cpu")
    assert done.exit_code == 0, done.stderr
    return tmp_path / "run"


def test_a_run_is_taken_out_and_what_was_written_is_said(type_in: Run, run: Path, tmp_path: Path):
    done = type_in("export", run, "--to", "torch", "--out", "out")
    assert done.exit_code == 0, (done.output, done.exception)
    said = done.stdout.splitlines()
    assert said[0] == "model.pt, preprocessing.json, classes.json, README.md: 10 outputs"
    assert said[1] == "the plain network's logits differ from the classifier's by 0"
    assert said[-1] == str(Path("out") / "README.md")
    page = (tmp_path / "out" / "README.md").read_text()
    assert "arguments={'channels': 1, 'num_classes': 10}" in page
    assert "# a figureground.models.lenet_gap.LeNetGAP\n" in page
    assert json.loads((tmp_path / "out" / "classes.json").read_text()) == list("0123456789")
    assert json.loads((tmp_path / "out" / "record.json").read_text())["kind"] == "export"
    again = type_in("export", run, "--to", "torch", "--out", "out")
    assert again.exit_code == 0, again.output


def test_the_last_weights_are_another_export(type_in: Run, run: Path):
    (run / "last.safetensors").write_bytes((run / "best.safetensors").read_bytes())
    assert type_in("export", run, "--checkpoint", "last").exit_code == 0
    done = type_in("export", run, "--checkpoint", "step-1")
    assert done.exit_code == 1
    assert "holds no step-1.safetensors" in done.stderr


def test_mistakes_end_in_one_line(type_in: Run, run: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "recipe.yaml").write_text(TINY)
    cases = [
        ((run, "--to", "tflite"), "no to 'tflite'; closest: 'timm'; known: onnx, timm, torch"),
        (("empty",), "empty holds no training run: there is no recipe.yaml"),
        (("unfinished",), "the run in unfinished is not finished"),
        (("runs/nowhere",), "there is no folder 'runs/nowhere'"),
        ((run, "--to", "timm"), "figureground:lenet-gap is no network of timm's"),
        ((run, "--background", "drop"), "has no output for backgrounds to drop"),
        ((run, "--out", run), "holds a training run; name another folder with --out"),
    ]
    for words, said in cases:
        done = type_in("export", *words)
        assert done.exit_code == 1, (words, done.output, done.exception)
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, lines
        assert said in lines[0]
