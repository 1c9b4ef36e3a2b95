"""``figureground doctor``: which layer would be used and why, and what cannot work with this model and why."""

__all__ = ["doctor"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from figureground.base.errors import FigureGroundError
from figureground.cli.command import expanded, refuse_positional
from figureground.cli.console import out, say
from figureground.cli.model_options import ModelOptions

_FEW_POSITIONS = 5
_BROKEN = (  # as no image will change
    *("non-finite", "dead-layer", "zero-gradient", "small-layer", "several-runs"),
)

if TYPE_CHECKING:
    from torch import Tensor

    from figureground.methods import CamMethod, Explainer
    from figureground.models import Classifier


@expanded
def doctor(
    about: ModelOptions,
    positional: Annotated[str | None, typer.Argument(hidden=True)] = None,
    layer: Annotated[
        str | None, typer.Option(help="Examine this layer in place of the default.")
    ] = None,
) -> None:
    """Examine a model: default layer and why, preprocessing, class names, and which methods work."""
    refuse_positional(positional)
    classifier = about.load().classifier
    _describe(classifier)
    _try_methods(classifier, layer)


def _describe(classifier: "Classifier") -> None:
    """Preprocessing and names."""
    p = classifier.preprocessing
    names = classifier.class_names
    count = classifier.num_classes
    shown = f"{count}, names not known; results show numbers" if names is None else _some(names)
    size = sum(value.numel() for value in classifier.parameters())
    lines = {
        "model": f"{classifier.name}, {size:,} parameters",
        "input": p.in_words,
        "normalised": f"mean {p.mean}, std {p.std}{', blue first' * (p.channel_order == 'bgr')}",
        "classes": shown,
    }
    for key, value in lines.items():
        say(f"{key:<11}{value}")


def _try_methods(classifier: "Classifier", layer: str | None) -> None:
    """Every method on random images, alone, so that one refusal does not hide the others."""
    import torch  # noqa: PLC0415 - slow to import

    from figureground.capture import check_layers  # noqa: PLC0415
    from figureground.methods import METHODS, Explainer  # noqa: PLC0415

    image = torch.rand(
        2,
        classifier.preprocessing.channels,
        *classifier.preprocessing.size,
        generator=torch.Generator().manual_seed(0),
    )
    explainer = Explainer(classifier, layer=layer)
    choice = explainer.look(image)
    found = check_layers(explainer.model, image, [choice])[choice.name]
    say(f"{'layer':<11}{choice.name.removeprefix('network.')}: {choice.reason}")
    say(f"{'cells':<11}{found.verdict}")
    say("")
    table = Table(Column("method", no_wrap=True), "", "", box=None, pad_edge=False)
    for name in METHODS:
        table.add_row(name, *_verdict(explainer, image, name))
    out().print(table)
    positions = min(choice.grid.size) if choice.grid is not None else 0
    if 0 < positions < _FEW_POSITIONS:
        say("the layer has few positions, so its maps are coarse; try an earlier --layer")


def _verdict(explainer: "Explainer", image: "Tensor", name: str) -> tuple[str, str]:
    """``works``, ``blank`` where no map shows anything, or ``cannot``; how the maps look or why not; and the price."""
    from figureground.methods import find_methods  # noqa: PLC0415

    method = find_methods(name)[name]
    price = _price(explainer, method)
    try:
        result = explainer(image, methods=method.trial())
    except FigureGroundError as error:
        return "cannot", str(error)
    n, k, h, w = result.map_of(name).shape
    if not result.problems:
        return "works", f"{h}×{w}{price}"
    wrong = f"{len(result.problems)} of {n * k} maps of random images show nothing that can be relied on"
    broken = all(problem.kind in _BROKEN for problem in result.problems)
    word = "blank" if broken and len(result.problems) == n * k else "works"
    return word, f"{h}×{w}{price}; {wrong}: {result.problems[0].message}"


def _price(explainer: "Explainer", method: "CamMethod") -> str:
    """What one image costs beyond the run that all methods share; empty where that is nothing to mention."""
    runs, grid = explainer.forwards(method), explainer.layer.grid
    if runs:
        few = " (tried with few)" if method.trial() != method else ""
        return f"; {runs:,} runs of the network an image{few}"
    if "replay" in method.needs and grid is not None:
        most = method.forwards(grid.channels, *grid.size)
        return f"; at most {most:,} runs of what is above the layer"
    return ""


def _some(names: Sequence[str]) -> str:
    """How many names, and the first and last of them."""
    ends = names if len(names) < 4 else [*names[:2], "…", names[-1]]
    return f"{len(names)}: {', '.join(ends)}"
