"""Code that a run's folder names runs only where the caller trusts the folder."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import figureground as fg
from figureground.base.errors import OptionError
from figureground.studies.training.runs import load_run
from figureground.training.recipe import Recipe, changed, write_recipe
from figureground.training.teacher import TeacherSpec, load_teacher
from figureground.training.trained import load_trained
from figureground.training.trust import refuse_code, trusting

CODE = """
from pathlib import Path
from torch import nn

Path(__file__).with_name("ran").touch()

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""
DATA = {"name": "x", "epochs": 1, "data": {"name": "digits"}}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder that looks like a run and whose recipe names a Python file beside it."""
    folder = tmp_path / "shared_run"
    folder.mkdir()
    (folder / "net.py").write_text(CODE)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten())
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    weights |= {"3.weight": torch.ones(2, 4), "3.bias": torch.zeros(2)}
    save_file(weights, folder / "best.safetensors")
    (folder / "classes.json").write_text(json.dumps(["a", "b"]))
    write_recipe(_recipe(f"{folder / 'net.py'}:build"), folder / "recipe.yaml")
    return folder


def _recipe(model: str) -> Recipe:
    return changed(DATA | {"model": {"name": model}})


@pytest.mark.parametrize(
    "load",
    [
        load_trained,
        fg.load_classifier,
        lambda folder: load_run(folder, needs_record=False),
        lambda folder: load_teacher(TeacherSpec(name=str(folder))),
    ],
)
def test_a_folder_runs_no_code(run: Path, load: Callable[[Path], object]):
    with pytest.raises(OptionError, match=r"would run code: .*net\.py:build.*--trust-code"):
        load(run)
    assert not (run / "ran").exists()


def test_trusted_code_runs_and_the_trust_ends_with_the_call(run: Path):
    found = load_trained(run, trust_code=True)
    assert found.class_names == ("a", "b")
    assert (run / "ran").exists()
    with pytest.raises(OptionError, match="would run code"):
        load_trained(run)


def test_a_folder_behind_a_folder_runs_no_code_either(run: Path, tmp_path: Path):
    second = tmp_path / "second"
    second.mkdir()
    for name in ("best.safetensors", "classes.json"):
        (second / name).write_bytes((run / name).read_bytes())
    write_recipe(_recipe(str(run)), second / "recipe.yaml")
    with pytest.raises(OptionError, match=r"net\.py:build"):
        load_trained(second)
    assert not (run / "ran").exists()
    assert load_trained(second, trust_code=True).num_classes == 2


@pytest.mark.parametrize(
    "change",
    [
        "model={name: 'hf:a/b', arguments: {trust_remote_code: true}}",
        "algorithms=[{distillation: {teacher: 'evil.py:build'}}]",
        "algorithms=[{distillation: {teacher: {name: 'evil.py:build'}}}]",
    ],
)
def test_every_way_to_name_code_counts(change: str, tmp_path: Path):
    recipe = changed(DATA | {"model": {"name": "figureground:lenet-gap"}}, [change])
    with pytest.raises(OptionError, match="would run code"):
        refuse_code(recipe, tmp_path)
    with trusting(True):
        refuse_code(recipe, tmp_path)


def test_the_callers_own_file_needs_no_trust(run: Path):
    assert fg.load_classifier(f"{run / 'net.py'}:build").num_classes == 2


def test_what_was_typed_is_the_callers_own(tmp_path: Path):
    refuse_code(_recipe("own.py:build"), tmp_path, "model.name=own.py:build")
