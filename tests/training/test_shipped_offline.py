"""Every shipped recipe runs without a file of data, or says how its data are got and by which key they are named."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from figureground.base.errors import DataError, OptionError
from figureground.cli.main import app
from figureground.training.recipe import read_recipe
from figureground.training.recipe_data import training_data
from figureground.training.shipped import shipped_recipes
from figureground.training.start import start_run

RECIPES = shipped_recipes()
SMALL = "--set epochs=1 --set data.count=100 --set batch_size=20 --set precision=32-true --accelerator cpu"


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no folder of shared data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIGUREGROUND_SHARED", str(tmp_path / "none"))


def offline_commands(path: Path) -> list[str]:
    """The commands that a recipe's header has for machines without its data; the lines of one joined."""
    found = re.search(
        r"^# offline: ((?:.*\n)(?:#    .*\n)*)", path.read_text("utf-8"), re.MULTILINE
    )
    lines = [] if found is None else [line.lstrip("# ") for line in found[1].splitlines()]
    return [
        one.strip() for one in re.split(r"(?=figureground train)", " ".join(lines)) if one.strip()
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_data_are_inside_or_the_error_says_how_to_get_them(name: str):
    spec = read_recipe(RECIPES[name]).data
    small = (
        spec.model_copy(update={"count": 20}) if name.startswith(("background", "clut")) else spec
    )
    try:
        data = training_data(small, seed=0)
    except DataError as error:
        said = str(error)
        assert "data.root" in said
        assert any(
            word in said for word in ("data.download=true", "your own", "nobody publishes", "page")
        )
        assert "data.name=" in " ".join(offline_commands(RECIPES[name]))
    else:
        assert len(data.train)


WITH_COMMANDS = [name for name, path in RECIPES.items() if offline_commands(path)]


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_the_first_offline_command_of_a_header_can_be_started(name: str, tmp_path: Path):
    _figureground, _train, recipe, *words = shlex.split(offline_commands(RECIPES[name])[0])
    changes = [value for flag, value in pairwise(words) if flag == "--set"]
    run, data = start_run(
        read_recipe(
            RECIPES[recipe], [*changes, "data.count=40", "batch_size=20", "precision=32-true"]
        ),
        tmp_path,
        accelerator="cpu",
    )
    assert len(data.train) == 40
    assert run.recipe.name == recipe


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_the_offline_commands_of_a_header_run(name: str):
    for command in offline_commands(RECIPES[name]):
        words = [*shlex.split(command)[1:], *shlex.split(SMALL)]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{command}\n{done.output}"


def test_a_run_that_is_not_there_is_named_with_its_key():
    recipe = read_recipe(RECIPES["last-layer"], ["data.count=40"])
    with pytest.raises(OptionError, match=r"no run in the folder runs/plain: .* by model\.name"):
        start_run(recipe, Path("runs/x"), accelerator="cpu")
