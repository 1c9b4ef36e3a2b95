"""``figureground ls``: which methods, models, layers, classes, recipes and data sets are there?"""

__all__ = ["ls"]

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from figureground.base.errors import unknown_option
from figureground.cli.command import expanded, refuse_positional
from figureground.cli.console import complain, out, say
from figureground.cli.model_options import ModelOptions

_MOST_MODELS = 200
_LISTS = ("methods", "models", "layers", "classes", "recipes", "datasets")


@expanded
def ls(
    what: Annotated[str, typer.Argument(help=f"One of {', '.join(_LISTS)}.")],
    about: ModelOptions,
    pattern: Annotated[
        str | None, typer.Argument(help="Of models: 'timm:resnet*'. Of classes: the model.")
    ] = None,
) -> None:
    """List the methods, the models that can be named, a model's layers or classes, the recipes or the data sets."""
    if what == "methods":
        _methods()
    elif what == "models":
        _models(pattern)
    elif what == "layers":
        refuse_positional(pattern)
        _layers(_without_weights(about))
    elif what == "classes":
        named = about if pattern is None else replace(about, model=pattern)
        _classes(_without_weights(named))
    elif what == "recipes":
        _recipes()
    elif what == "datasets":
        _datasets()
    else:
        raise unknown_option("list", what, _LISTS)


def _without_weights(about: ModelOptions) -> ModelOptions:
    """The model as far as layers and names need it: they do not depend on weights, so none are fetched."""
    run = about.model is not None and (Path(about.model) / "recipe.yaml").is_file()
    return replace(about, random=not run and about.weights is None)


def _classes(about: ModelOptions) -> None:
    classifier = about.load().classifier
    names = classifier.class_names
    if names is None:
        complain(f"{classifier.name} has {classifier.num_classes} classes without names")
        return
    for number, name in enumerate(names):
        say(f"{number}: {name}")


def _recipes() -> None:
    from figureground.training.recipe import read_recipe  # noqa: PLC0415 - pydantic is slow to import
    from figureground.training.shipped import purpose, shipped_recipes  # noqa: PLC0415

    table = Table(
        Column("recipe", no_wrap=True), "data", "network", "purpose", box=None, pad_edge=False
    )
    for name, path in shipped_recipes().items():
        recipe = read_recipe(path)
        table.add_row(name, recipe.data.name, recipe.model.name, purpose(path))
    out().print(table)


def _datasets() -> None:
    from figureground.data.loaders import DATASETS  # noqa: PLC0415 - torch is slow to import

    names = Column("data.name", no_wrap=True)
    table = Table(names, "what", "parts", "how to get it", box=None, pad_edge=False)
    for name, one in DATASETS.items():
        parts = "divided by us" if one.parts == ("all",) else ", ".join(one.parts)
        table.add_row(name, one.description, parts, one.origin)
    out().print(table)


def _methods() -> None:
    from figureground.methods import METHODS  # noqa: PLC0415 - torch is slow to import

    names = Column("method", no_wrap=True)
    table = Table(names, "class-specific", "signed", "needs", "paper", box=None, pad_edge=False)
    for key, method in METHODS.items():
        yes_no = ["yes" if flag else "no" for flag in (method.class_specific, method.signed)]
        needs = ", ".join(sorted(method.needs)) or "activations"
        table.add_row(key, *yes_no, needs, f"{method.paper.authors} {method.paper.year}")
    out().print(table)


def _models(pattern: str | None) -> None:
    from figureground.models import list_models  # noqa: PLC0415 - torch is slow to import

    names = list_models(pattern)
    for one in names[:_MOST_MODELS]:
        say(one)
    if len(names) > _MOST_MODELS:
        complain(f"… {len(names)} in all; narrow the list: figureground ls models 'timm:resnet*'")


def _layers(about: ModelOptions) -> None:
    import torch  # noqa: PLC0415 - slow to import

    from figureground.capture import LayerChoice, check_layers, choose_layer, look  # noqa: PLC0415

    classifier = about.load().classifier
    image = torch.rand(1, classifier.preprocessing.channels, *classifier.preprocessing.size)
    default = choose_layer(classifier, image).name
    table = Table(
        Column("layer", no_wrap=True),
        *("kind", "channels", "positions", "runs", "cells", ""),
        box=None,
        pad_edge=False,
    )
    layers = look(classifier, image).spatial()
    asked = [LayerChoice(seen.name, "") for seen in layers]
    findings = check_layers(classifier, image, asked, sparing=True)
    for seen in layers:
        grid = findings[seen.name].grid or seen.grid
        assert grid is not None  # noqa: S101 - spatial layers have one
        table.add_row(
            seen.name.removeprefix("network."),
            type(seen.module).__name__,
            str(grid.channels),
            "×".join(map(str, grid.size)),
            str(seen.calls),
            findings[seen.name].verdict,
            "← default" if seen.name == default.partition("@")[0] else "",
        )
    out().print(table)
