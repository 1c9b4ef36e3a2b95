"""The pages that are made from the code leave no key, no option and no number out."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from figureground.cli.main import app
from figureground.data.loaders import DATASETS
from figureground.reports.plain_words import GLOSSARY
from figureground.studies.evaluation import EVALUATIONS
from figureground.training.algorithms import ALGORITHMS
from figureground.training.recipe import changed
from figureground.training.recipe_keys import algorithm_keys
from figureground.training.shipped import shipped_recipes

VERBS = ("explain", "train", "diagnose", "rank", "compare", "export", "ls", "cp")
COMMANDS = (
    *VERBS,
    "doctor",
    "demo",
    "serve",
    "background build",
    *(f"evaluate {name}" for name in EVALUATIONS),
)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Place on the site -> text."""
    place = Path(__file__).parents[1] / "docs" / "made_pages.py"
    spec = importlib.util.spec_from_file_location("made_pages", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {uri: make() for uri, (_, make) in module.MADE.items()}


def leaves(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Keys of nested mappings, joined by dots, and their values."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def test_every_key_of_a_recipe_stands_there_with_its_default(pages: dict[str, str]):
    needed = {"name": "n", "epochs": 3, "data": {"name": "d"}, "model": {"name": "m"}}
    recipe = changed(needed).model_dump(mode="json")
    keys = pages["docs/recipes.md"].partition("\n## Keys\n")[2].partition("\n## Data sets\n")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \| [^|]* \| (.*?) \|$", keys, re.MULTILINE))
    spelled = {"None": "null", "True": "`true`", "False": "`false`"}
    for key, value in leaves(recipe):
        shown = (
            f"`{value}`"
            if isinstance(value, list | dict)
            else spelled.get(str(value), f"`{value}`")
        )
        assert rows[key] == ("needed" if key in dict(leaves(needed)) else shown), key


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_key_of_an_algorithm_stands_there(name: str, pages: dict[str, str]):
    for key in algorithm_keys(name):  # read from the algorithm's page, not from its types
        assert re.search(rf"^\| `{name}\.{key}[`.]", pages["docs/recipes.md"], re.MULTILINE), key


def test_every_recipe_and_data_set_stands_there(pages: dict[str, str]):
    for name in (*shipped_recipes(), *DATASETS):
        assert f"\n| `{name}` |" in pages["docs/recipes.md"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_that_help_shows_stands_in_the_section_of_its_command(
    command: str, pages: dict[str, str]
):
    words = [*command.split(), "--help"]
    shown = CliRunner().invoke(app, words, env={"COLUMNS": "300"}).stdout
    flags = set(re.findall(r"^│[ *]+(--[a-z-]+)", shown, re.MULTILINE)) - {"--help"}
    assert flags or command == "cp"
    section = pages["docs/commands.md"].partition(f"\n## figureground {command}\n")[2]
    section = section.partition("\n## ")[0]
    assert {flag for flag in flags if f"`{flag}`" not in section} == set()


def test_every_command_has_a_section(pages: dict[str, str]):
    found = re.findall(r"^## figureground (.*)$", pages["docs/commands.md"], re.MULTILINE)
    assert sorted(found) == sorted(COMMANDS)


def test_every_short_name_is_explained(pages: dict[str, str]):
    for name, meaning in GLOSSARY.items():
        assert f"| {name} | {meaning} |" in pages["docs/numbers.md"]
