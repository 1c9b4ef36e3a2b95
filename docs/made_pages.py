"""Pages of the site that are made from the code: keys of recipes, data sets, commands, and what numbers mean."""

__all__ = ["MADE", "commands_page", "numbers_page", "recipes_page"]

import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from figureground.cli.main import app
from figureground.data.loaders import DATASETS
from figureground.reports.plain_words import GLOSSARY
from figureground.training.algorithms import ALGORITHMS
from figureground.training.recipe import Recipe, read_recipe
from figureground.training.shipped import purpose, shipped_recipes

_ABOUT_RECIPES = (
    "A recipe is one YAML file that decides a training run. `figureground train NAME` takes one that comes with the "
    "package, or a file of your own; `--set KEY=VALUE` changes a key, `figureground cp recipe NAME my.yaml` makes a "
    "copy to edit, and the finished run keeps its recipe with every default spelled out. An unknown key is an error "
    "that names the closest one."
)
_ABOUT_NUMBERS = (
    "The short names on pages and in tables. A number is shown with its 95 % interval and beside a baseline: what "
    "counts is whether the interval of the difference leaves out zero."
)
_ABOUT_PARTS = (
    "A set without a test part has `data.test_fraction` of its images set aside, and one without a validation part "
    "`data.val_fraction` of the others, by class and seed; a note on the screen and in the record says how many. A "
    "folder with `train/`, `val/` and `test/` inside is taken as it is divided. Training never opens the test part."
)


def recipes_page() -> str:
    """The recipes that come with the package, every key of a recipe with its default, and the data sets."""
    lines = [
        "# Recipes",
        "",
        _ABOUT_RECIPES,
        "",
        "## Recipes that come with figureground",
        "",
        "| recipe | what it is for | `data.name` | `model.name` |",
        "| --- | --- | --- | --- |",
    ]
    for name, path in shipped_recipes().items():
        recipe = read_recipe(path)
        row = (f"`{name}`", purpose(path), f"`{recipe.data.name}`", f"`{recipe.model.name}`")
        lines.append(_row(row))
    lines += ["", "## Keys", *_section("", Recipe)]
    lines += [
        "",
        "## Algorithms",
        "",
        "The list `algorithms` holds one-key mappings, a name with its options:",
    ]
    for name, algorithm in ALGORITHMS.items():
        lines += ["", f"### {name}", *_section(f"{name}.", algorithm.Options)]
    return "\n".join([*lines, "", *_data_sets()]) + "\n"


def commands_page() -> str:
    """Every command with its arguments and options, as its ``--help`` has them."""
    lines = ["# Commands", "", "What `figureground COMMAND --help` says, on one page."]
    for words, command in _commands(typer.main.get_command(app), "figureground"):
        lines += ["", f"## {words}", "", _plain((command.help or "").split("\n\n\n")[0])]
        context = command.make_context(words, [], resilient_parsing=True)
        shown = [one for one in command.get_params(context) if one.name != "help"]
        rows = [
            _row((_spelled(one), _plain(getattr(one, "help", None) or ""), _default(one)))
            for one in shown
        ]
        lines += ["", "| argument or option | meaning | default |", "| --- | --- | --- |", *rows]
    return "\n".join(lines) + "\n"


def numbers_page() -> str:
    """What the short names on pages and in tables mean."""
    lines = [
        "# Which number means what",
        "",
        _ABOUT_NUMBERS,
        "",
        "| name | meaning |",
        "| --- | --- |",
        *(_row((name, GLOSSARY[name])) for name in sorted(GLOSSARY, key=str.lower)),
    ]
    return "\n".join(lines) + "\n"


MADE: dict[str, tuple[str, Callable[[], str]]] = {
    "docs/recipes.md": ("Recipes", recipes_page),
    "docs/commands.md": ("Commands", commands_page),
    "docs/numbers.md": ("Which number means what", numbers_page),
}
"""Place on the site -> title, and what makes it."""


def _section(prefix: str, model: type[BaseModel]) -> list[str]:
    """The words of a section of recipes, and its keys with those of the sections inside."""
    keys = [_row((f"`{key}`", _kind(field), _value(field))) for key, field in _keys(prefix, model)]
    words = [" ".join(text.split()).replace("``", "`") for text in _docstrings(model)]
    table = ["", "| key | values | default |", "| --- | --- | --- |", *keys] if keys else []
    return [line for one in words for line in ("", one)] + table


def _docstrings(model: type[BaseModel]) -> Iterator[str]:
    """Of a section, and of those inside it under their keys."""
    yield model.__doc__ or ""
    for key, field in model.model_fields.items():
        if (inner := _inner(field)) is not None:
            yield f"**{key}**: {inner.__doc__ or ''}"


def _keys(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Every key with the path to it."""
    for key, field in model.model_fields.items():
        inner = _inner(field)
        if inner is None:
            yield f"{prefix}{key}", field
        else:
            yield from _keys(f"{prefix}{key}.", inner)


def _inner(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a key holds."""
    kinds = [field.annotation, *get_args(field.annotation)]
    found = [one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)]
    return found[0] if found else None


def _kind(field: FieldInfo) -> str:
    """Type and range of a key, in words."""
    limits = [word for one in field.metadata for word in _limits(one)]
    return ", ".join([_words_of(field.annotation), *limits])


def _words_of(kind: Any) -> str:  # noqa: ANN401 - any type
    """A Python type as YAML has it."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return ", ".join([_words_of(inside[0]), *(w for one in inside[1:] for w in _limits(one))])
    if origin in {Union, types.UnionType}:
        return " or ".join(map(_words_of, inside))
    if origin is Literal:
        return f"one of {', '.join(map(str, inside))}"
    return f"list of {_words_of(inside[0])}" if origin is tuple else _PLAIN.get(kind, "mapping")


_PLAIN = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    types.NoneType: "null",
}


def _limits(one: object) -> Iterator[str]:
    """Bounds as pydantic holds them."""
    for inner in getattr(one, "metadata", ()):  # of Field(...) inside an Annotated
        yield from _limits(inner)
    for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤")):
        if hasattr(one, name):
            yield f"{sign} {getattr(one, name):g}"


def _value(field: FieldInfo) -> str:
    """The default of a key, as YAML has it."""
    if field.is_required():
        return "needed"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return "null"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value)}`" if isinstance(value, tuple) else f"`{value}`"


def _data_sets() -> Iterator[str]:
    """The data sets: what they hold, how they are divided, how they are got."""
    yield from ("## Data sets", "", "| `data.name` | what it holds | parts | how to get it |")
    yield "| --- | --- | --- | --- |"
    for name, one in DATASETS.items():
        parts = "none: divided by the run" if one.parts == ("all",) else ", ".join(one.parts)
        yield _row((f"`{name}`", one.description, parts, one.origin))
    yield ""
    yield _ABOUT_PARTS


def _commands(command: Any, words: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer has a click of its own
    """Every command that is no group, with the words that call it."""
    if not hasattr(command, "list_commands"):
        yield words, command
        return
    context = command.make_context(words, [], resilient_parsing=True)
    for name in command.list_commands(context):
        yield from _commands(command.get_command(context, name), f"{words} {name}")


def _spelled(one: Any) -> str:  # noqa: ANN401
    """How an option or an argument is typed."""
    if one.param_type_name == "argument":
        return f"`{(one.name or '').upper()}`"
    return ", ".join(f"`{word}`" for word in (*one.opts, *one.secondary_opts))


def _default(one: Any) -> str:  # noqa: ANN401
    """What counts where it is not typed."""
    if one.required:
        return "needed"
    shown: Any = one.default
    if shown is None or callable(shown) or shown == ():
        return ""
    return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"


def _plain(text: str) -> str:
    """Help without the marks of its formatter."""
    return " ".join(text.replace("\b", "").replace("\\[", "[").split())


def _row(cells: tuple[str, ...]) -> str:
    """A row of a table, in which a bar would end a cell."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
