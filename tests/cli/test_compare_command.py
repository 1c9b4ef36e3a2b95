"""``figureground compare`` as a user types it."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from figureground.studies.training.train import train
from figureground.training.recipe import changed

Run = Callable[..., Result]

QUICK = (
    "--limit",
    20,
    "--corrupted",
    4,
    "--corruptions",
    "contrast",
    "--maps",
    4,
    "--examples",
    2,
    "--device",
    "cpu",
)


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory, tiny_recipe: dict[str, Any]) -> tuple[Path, Path]:
    """Two finished runs."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        train(changed(tiny_recipe, [f"seed={seed}"]), folder / f"run-{seed}", accelerator="cpu")
    return folder / "run-0", folder / "run-1"


def test_two_runs_are_compared_into_a_page(type_in: Run, two: tuple[Path, Path], tmp_path: Path):
    done = type_in("compare", *two, "--out", tmp_path / "out", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"^run-1 +run-0 +accuracy ↑ ", done.stdout, re.MULTILINE)
    assert "20 test images in" in done.stdout
    assert any(line.endswith("report.html") for line in done.stdout.splitlines())
    page = (tmp_path / "out" / "report.html").read_text().replace("\xa0", " ")
    for words in (
        "run-0 or run-1?",
        "Known or unknown",
        "patch-shuffle",
        "Maps: grad-cam",
        "Cost of training",
    ):
        assert words in page
    for name in ("record.json", "tables.md", "examples.png", "per_image.npz"):
        assert (tmp_path / "out" / name).exists()


def test_arms_hold_several_runs_and_unknown_images_can_be_left_out(
    type_in: Run, two: tuple[Path, Path], tmp_path: Path
):
    words = ["--arm", f"both={two[0]},{two[1]}", "--ood", "none", "--out", tmp_path, *QUICK]
    done = type_in("compare", two[0], *words)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"^both +2 ", done.stdout, re.MULTILINE)
    assert "Known or unknown" not in (tmp_path / "report.html").read_text().replace("\xa0", " ")


def test_backgrounds_are_told_in_a_word_and_a_sentence(
    type_in: Run, two: tuple[Path, Path], tmp_path: Path
):
    words = (
        "--background",
        "--delta",
        0.5,
        "--ood",
        "none",
        "--out",
        tmp_path,
        *QUICK,
        "--limit",
        60,
    )
    done = type_in("compare", *two, *words)
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    known = "cured|better|only by its own measure|no change|worse"
    assert re.search(rf"run-1: ({known}): the largest of the three gaps went from", told)
    assert re.search(r"^run-1 +inner ", done.stdout, re.MULTILINE)
    page = (tmp_path / "report.html").read_text().replace("\xa0", " ")
    assert "lies below 0.5," in page
    sentences = json.loads((tmp_path / "record.json").read_text())["answer"]["sentences"]
    assert done.stdout.splitlines()[-len(sentences) :] == sentences
    learned = [sentence for sentence in sentences if "has learned nothing" not in sentence]
    assert len(learned) == 2
    assert sentences[-2:] == learned
    assert f">{sentences[0]}</h1>" in unescape(page)


def test_what_cannot_be_compared_is_said(type_in: Run, two: tuple[Path, Path], tmp_path: Path):
    alone = type_in("compare", two[0])
    assert alone.exit_code == 1
    assert "two arms at least, not 1" in alone.stderr
    twice = type_in("compare", two[0], "--arm", f"run-0={two[1]}")
    assert "two arms are called 'run-0'" in twice.stderr
    assert "NAME=RUN,RUN" in type_in("compare", two[0], "--arm", "what").stderr
    (tmp_path / "new").mkdir()
    assert "holds no training run" in type_in("compare", two[0], tmp_path / "new").stderr
    strange = type_in("compare", *two, "--data", "cifar11", "--out", tmp_path / "out")
    assert "'cifar11' is neither a folder nor a data set" in " ".join(strange.stderr.split())


def test_device_and_checkpoint_are_those_that_were_typed(
    type_in: Run, two: tuple[Path, Path], tmp_path: Path
):
    for words, message in (
        (("--device", "tpu"), "no device 'tpu'"),
        (("--checkpoint", "step-9"), "holds no step-9.safetensors"),
    ):
        done = type_in("compare", *two, "--out", tmp_path / "out", *words)
        assert done.exit_code == 1
        assert message in " ".join(done.stderr.split())
