"""The folder of a training run is a model wherever one is asked for."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import Result

import figureground as fg
from figureground.studies.training.train import train
from figureground.training.recipe import changed
from figureground.training.trained import load_trained

Run = Callable[..., Result]

POOL = "{name: cluttered-digits, count: 20, background: true}"
NAMES = [*"0123456789", "background"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_recipe: dict[str, Any]) -> Path:
    """A finished run with a background output."""
    folder = tmp_path_factory.mktemp("runs") / "bg"
    recipe = changed(tiny_recipe, [f"algorithms=[{{background-class: {{pools: [{POOL}]}}}}]"])
    train(recipe, folder, accelerator="cpu")
    return folder


def told_by(page: Path) -> bool:
    """Whether the page says which run it is of, in its title and its head, and which network that is."""
    text = page.read_text()
    title = text.partition("<title>")[2].partition("</title>")[0]
    head = text.partition("<header")[2].partition("</header>")[0]
    return title.endswith("· bg") and "· bg<" in head and "figureground:lenet-gap" in text


def test_explain_takes_a_run(type_in: Run, run: Path, images: Path, tmp_path: Path):
    words = ("--classes", "background,7", "--methods", "cam")
    done = type_in("explain", images, "--model", run, *words, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    line = json.loads((tmp_path / "out" / "entries.jsonl").read_text().splitlines()[0])
    assert [(one["index"], one["name"]) for one in line["classes"]] == [
        (10, "background"),
        (7, "7"),
    ]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<title>bg: what it looks at" in page
    assert '<span class="name">bg</span>' in page
    assert "figureground:lenet-gap" in page


def test_the_checkpoint_is_the_one_that_is_named(
    type_in: Run, run: Path, images: Path, tmp_path: Path
):
    for checkpoint in ("best", "last"):
        words = ("--checkpoint", checkpoint, "--out", tmp_path / checkpoint)
        done = type_in("explain", images, "--model", run, *words)
        assert done.exit_code == 0, done.output
    wrong = type_in("explain", images, "--model", run, "--checkpoint", "first")
    assert wrong.exit_code == 1
    assert "no checkpoint of a run 'first'" in wrong.stderr
    assert (
        "no step-3.safetensors"
        in type_in("doctor", "--model", run, "--checkpoint", "step-3").stderr
    )


def test_doctor_takes_a_run(type_in: Run, run: Path):
    done = type_in("doctor", "--model", run)
    assert done.exit_code == 0, done.output
    assert "11: 0, 1, …, background" in done.stdout
    assert "input      12×12" in done.stdout


def test_the_layers_of_a_run_are_listed(type_in: Run, run: Path):
    done = type_in("ls", "layers", "--model", run)
    assert done.exit_code == 0, done.output
    assert "← default" in done.stdout


def test_rank_takes_a_run_and_leaves_background_out(
    type_in: Run, run: Path, images: Path, tmp_path: Path
):
    done = type_in("rank", images, "--model", run, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["classes"] == NAMES[:10]
    assert told_by(tmp_path / "out" / "report.html")


def test_evaluate_takes_a_run_and_its_own_test_images(type_in: Run, run: Path, tmp_path: Path):
    words = ("--limit", "12", "--methods", "cam", "--steps", "2", "--fractions", "0.5")
    done = type_in("evaluate", "faithfulness", "--model", run, *words, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["images"] == 12
    assert record["data"].startswith("cluttered-digits, test split")
    assert (record["model"]["run"], record["model"]["name"]) == ("bg", "figureground:lenet-gap")
    assert told_by(tmp_path / "out" / "report.html")


def test_compare_takes_runs(type_in: Run, run: Path, tmp_path: Path, tiny_recipe: dict[str, Any]):
    other = tmp_path / "plain"
    train(changed(tiny_recipe), other, accelerator="cpu")
    words = ("--limit", 10, "--corrupted", 0, "--maps", 0, "--examples", 0, "--ood", "none")
    done = type_in("compare", run, other, *words, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["arms"] == {"bg": [str(run)], "plain": [str(other)]}


def test_the_library_takes_a_run(run: Path):
    best = fg.load_classifier(run)
    assert list(best.class_names or ()) == NAMES
    assert not best.training
    last = fg.load_classifier(run, checkpoint="last")
    images = torch.rand(2, 1, 12, 12)
    with torch.no_grad():
        assert torch.equal(last(images), load_trained(run, "last")(images))
    with pytest.raises(fg.errors.OptionError, match="leave out: weights"):
        fg.load_classifier(run, weights="other.pth")


def test_a_run_that_is_not_finished_can_be_looked_at(run: Path, type_in: Run, tmp_path: Path):
    for name in ("recipe.yaml", "classes.json", "best.safetensors"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    assert type_in("doctor", "--model", tmp_path).exit_code == 0
    refused = type_in("compare", run, tmp_path)
    assert refused.exit_code == 1
    assert "is not finished" in refused.stderr


def _flipped(run: Path, copy: Path, at: float) -> Path:
    """A copy of a run whose best weights differ in one bit, at this share of the file."""
    shutil.copytree(run, copy)
    file = copy / "best.safetensors"
    data = bytearray(file.read_bytes())
    data[int(at * (len(data) - 1))] ^= 1
    file.write_bytes(data)
    return file


def test_a_flipped_bit_in_the_weights_is_seen_by_every_command(
    type_in: Run, run: Path, images: Path, tmp_path: Path
):
    file = _flipped(run, tmp_path / "bad", 0.9)
    for verb, *words in (
        ("explain", images, "--model", file.parent),
        ("rank", images, "--model", file.parent),
        ("evaluate", "localisation", "--model", file.parent, "--methods", "cam"),
        ("compare", run, file.parent),
        ("doctor", "--model", file.parent),
        ("explain", images, "--model", "figureground:lenet-gap", "--weights", file),
        ("train", "cluttered-digits-lenet", "--set", f"model={{name: {file.parent}}}"),
    ):
        out = () if verb == "doctor" else ("--out", tmp_path / "o")
        done = type_in(verb, *words, *out)
        assert done.exit_code == 1, (verb, done.output)
        last = done.stderr.strip().splitlines()[-1]
        assert f"{file} is damaged" in last
        assert f"'figureground train {file.parent} --resume' writes it again" in last
    assert type_in("train", file.parent, "--resume").exit_code == 0
    assert type_in("doctor", "--model", file.parent).exit_code == 0


@pytest.mark.parametrize("at", [step / 12 for step in range(13)])
def test_wherever_it_lies(run: Path, tmp_path: Path, at: float):
    file = _flipped(run, tmp_path / "bad", at)
    whole = load_trained(run).network.state_dict()
    if at > 0.1:
        with pytest.raises(fg.errors.ModelError, match=file.name):
            load_trained(file.parent)
        return
    with suppress(fg.errors.ModelError):
        found = load_trained(file.parent).network.state_dict()
        # a bit of the file that stands for nothing
        assert all(torch.equal(found[name], whole[name]) for name in whole)


def test_a_folder_that_is_not_there_is_told_as_one(type_in: Run, run: Path, images: Path):
    for verb, *words in (
        ("explain", images, "--model", "runs/next"),
        ("evaluate", "faithfulness", images, "--model", "runs/next"),
        ("diagnose", images, "--model", "runs/next"),
        ("rank", images, "--model", "runs/next"),
        ("doctor", "--model", "runs/next"),
        ("ls", "layers", "--model", "runs/next"),
        ("export", "runs/next"),
        ("compare", run, "runs/next"),
    ):
        done = type_in(verb, *words)
        assert done.exit_code == 1, (verb, done.output)
        last = done.stderr.strip().splitlines()[-1]
        assert "there is no folder" in last, (verb, last)
        assert "runs/next" in last
        assert "training run" in last


def test_a_folder_without_a_run_is_told_as_one(type_in: Run, images: Path):
    last = type_in("doctor", "--model", images).stderr
    assert f"the folder '{images}' holds no training run" in last
