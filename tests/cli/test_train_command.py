"""``figureground train`` and ``figureground cp``."""

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path

from typer.testing import Result

from figureground.training.shipped import shipped_recipes

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


def test_a_recipe_is_trained_and_a_finished_run_resumes_to_the_same(type_in: Run, tmp_path: Path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    words = ["--accelerator", "cpu"]
    done = type_in(
        "train",
        str(tmp_path / "tiny.yaml"),
        "--set",
        "epochs=3",
        "--out",
        str(tmp_path / "run"),
        *words,
    )
    assert done.exit_code == 0, done.stderr
    assert "6 steps, 48 images" in done.stdout
    assert "validation accuracy: best" in done.stdout
    assert "epoch 3/3" in done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    sentences = record["answer"]["sentences"]
    assert done.stdout.splitlines()[-len(sentences) :] == sentences
    assert sentences[0] in unescape((tmp_path / "run" / "report.html").read_text()).replace(
        "\xa0", " "
    )
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    again = type_in("train", str(tmp_path / "run"), "--resume", *words)
    assert again.exit_code == 0, again.stderr
    assert "6 steps, 48 images" in again.stdout
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before


def test_a_runs_folder_is_a_recipe_for_another_run(type_in: Run, tmp_path: Path):
    (tmp_path / "recipe.yaml").write_text(TINY)
    done = type_in("train", str(tmp_path), "--out", str(tmp_path / "new"), "--accelerator", "cpu")
    assert done.exit_code == 0, done.stderr
    assert "2 steps" in done.stdout


def test_a_resumed_run_takes_no_changes(type_in: Run, tmp_path: Path):
    done = type_in("train", str(tmp_path), "--resume", "--set", "epochs=3")
    assert done.exit_code == 1
    assert "no --set and no --out" in done.stderr


def test_a_misspelled_key_or_recipe_names_the_closest(type_in: Run):
    done = type_in("train", "background-class", "--set", "optimiser.lrr=1")
    assert done.exit_code == 1
    assert "no key 'lrr'; closest: 'lr'" in done.stderr
    done = type_in("train", "backgroundclass")
    assert done.exit_code == 1
    assert "closest: 'background-class'" in done.stderr


def test_a_recipe_is_copied_once(type_in: Run, tmp_path: Path):
    target = tmp_path / "my.yaml"
    assert type_in("cp", "recipe", "background-class", str(target)).exit_code == 0
    assert target.read_bytes() == shipped_recipes()["background-class"].read_bytes()
    again = type_in("cp", "recipe", "background-class", str(target))
    assert again.exit_code == 1
    assert "exists; name another file" in again.stderr


def test_recipes_are_listed_with_their_purpose(type_in: Run):
    done = type_in("cp", "recipe")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == list(shipped_recipes())
    assert "The background class on digits in clutter" in done.stdout


def test_what_cannot_be_copied_is_refused(type_in: Run):
    assert "no recipe 'nothing'" in type_in("cp", "recipe", "nothing").stderr
    assert "no thing to copy 'model'" in type_in("cp", "model").stderr


def test_the_accelerator_is_the_one_that_was_typed(type_in: Run, tmp_path: Path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    words = ("--accelerator", "abacus", "--out", tmp_path / "run")
    done = type_in("train", tmp_path / "tiny.yaml", *words)
    assert done.exit_code == 1
    assert "abacus" in f"{done.exception} {done.stderr}"
    assert not (tmp_path / "run" / "record.json").exists()
