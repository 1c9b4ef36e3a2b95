"""``figureground ls``: which methods, models and layers are there?"""

__all__ = ["ls"]

from typing import Annotated

import typer
from rich.table import Column, Table

from figureground.base.errors import OptionError, unknown_option
from figureground.cli import model_options
from figureground.cli.console import complain, out, say

_MOST_MODELS = 200


def ls(
    what: Annotated[str, typer.Argument(help="methods, models or layers.")],
    name: Annotated[
        str | None, typer.Argument(help="models: a pattern; layers: the model.")
    ] = None,
    weights: model_options.Weights = None,
    model_arg: model_options.Arguments = None,
    size: model_options.Size = None,
) -> None:
    """List the methods, the models that can be named, or a model's layers that have positions."""
    if what == "methods":
        _methods()
    elif what == "models":
        _models(name)
    elif what == "layers":
        if name is None:
            raise OptionError("say of which model: figureground ls layers timm:resnet50")
        _layers(name, weights=weights, arguments=model_arg, size=size)
    else:
        raise unknown_option("list", what, ["methods", "models", "layers"])


def _methods() -> None:
    from figureground.methods import METHODS  # noqa: PLC0415 - torch is slow to import

    names = Column("method", no_wrap=True)
    table = Table(names, "class-specific", "signed", "needs", "paper", box=None, pad_edge=False)
    for key, method in METHODS.items():
        yes_no = ["yes" if flag else "no" for flag in (method.class_specific, method.signed)]
        needs = ", ".join(sorted(method.needs)) or "activations"
        table.add_row(key, *yes_no, needs, f"{method.paper.authors} {method.paper.year}")
    out().print(table, highlight=False)


def _models(pattern: str | None) -> None:
    from figureground.models import list_models  # noqa: PLC0415 - torch is slow to import

    names = list_models(pattern)
    for one in names[:_MOST_MODELS]:
        say(one)
    if len(names) > _MOST_MODELS:
        complain(f"… {len(names)} in all; narrow the list: figureground ls models 'timm:resnet*'")


def _layers(name: str, *, weights: object, arguments: list[str] | None, size: str | None) -> None:
    import torch  # noqa: PLC0415 - slow to import

    from figureground.capture import choose_layer, look  # noqa: PLC0415

    # the layers do not depend on the weights, so none are fetched
    classifier = model_options.Words(random=weights is None, model_arg=arguments, size=size).load(
        name
    )
    image = torch.rand(1, classifier.preprocessing.channels, *classifier.preprocessing.size)
    default = choose_layer(classifier, image).name
    table = Table(
        Column("layer", no_wrap=True),
        *("kind", "channels", "positions", "runs", ""),
        box=None,
        pad_edge=False,
    )
    for seen in look(classifier, image).spatial():
        assert seen.grid is not None  # noqa: S101 - spatial layers have one
        table.add_row(
            seen.name.removeprefix("network."),
            type(seen.module).__name__,
            str(seen.grid.channels),
            "×".join(map(str, seen.grid.size)),
            str(seen.calls),
            "← default" if seen.name == default else "",
        )
    out().print(table, highlight=False)
