"""Commands that read a run's folder run none of its code unasked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from figureground.training.recipe import changed, write_recipe

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run whose recipe names a Python file beside it."""
    folder = tmp_path / "shared_run"
    folder.mkdir()
    (folder / "net.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('ran').touch()"
    )
    recipe = changed(
        {
            "name": "x",
            "epochs": 1,
            "data": {"name": "cluttered-digits"},
            "model": {"name": f"{folder / 'net.py'}:build"},
        }
    )
    write_recipe(recipe, folder / "recipe.yaml")
    (folder / "classes.json").write_text(json.dumps(["a", "b"]))
    (folder / "best.safetensors").write_bytes(b"")
    (folder / "record.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "PHOTOS", "--model", "RUN"),
        ("rank", "PHOTOS", "--model", "RUN", "--classes", "0"),
        ("compare", "RUN", "RUN/../shared_run/."),
        ("compare", "--arm", "a=RUN", "--arm", "b=RUN"),
        ("evaluate", "faithfulness", "PHOTOS", "--model", "RUN"),
        ("doctor", "--model", "RUN"),
        ("ls", "layers", "--model", "RUN"),
        ("train", "RUN"),
        ("train", "RUN/recipe.yaml"),
        ("train", "RUN", "--resume"),
    ],
)
def test_no_command_runs_a_folders_code(
    type_in: Run, run: Path, images: Path, tmp_path: Path, words: tuple[str, ...]
):
    typed = [word.replace("RUN", str(run)).replace("PHOTOS", str(images)) for word in words]
    places = (
        () if words[0] in {"doctor", "ls"} or "--resume" in words else ("--out", tmp_path / "o")
    )
    done = type_in(*typed, *places)
    assert done.exit_code == 1, done.output
    assert "net.py:build" in done.output
    assert "--trust-code" in done.output
    assert not (run / "ran").exists()
    trusted = type_in(*typed, *places, "--trust-code")
    assert (run / "ran").exists()
    assert "no function in" in trusted.output  # the file was run, and holds no such function
