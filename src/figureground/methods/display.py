"""An explanation as a notebook shows it, and as a few lines of text."""

__all__ = ["html_of", "text_of"]

import html
from collections.abc import Iterator
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np

from figureground.maps.concepts import concept_panel
from figureground.maps.image_files import page_picture

if TYPE_CHECKING:
    from figureground.methods.explanation import Explanation
    from figureground.methods.plan import ExplanationProblem

_SHOWN = 8  # images
_LONGEST = 320  # pixels
_WIDTH, _LINES = 100, 5  # of text
_STYLE = "width: 13rem; image-rendering: {}"


def html_of(found: "Explanation") -> str:
    """A table: a row for each image and class, with the image, the class and its probability, and a map per method.

    Maps that belong to no class stand once for each image. What is wrong with a map stands under it.

    Args:
        found: The explanation.

    Returns:
        HTML that needs nothing else.
    """
    columns = [(method, layer) for method, layer, _ in found.stacks()]
    columns.sort(key=lambda one: not found.methods[one[0]].class_specific)
    heads = "".join(f"<th>{html.escape(' '.join(filter(None, one)))}</th>" for one in columns)
    rows = [f"<tr><th></th><th></th>{heads}</tr>"]
    painted = {one: _pictures(found, *one) for one in columns}
    count = found.scores.shape[1]
    for image in range(min(len(found.images), _SHOWN)):
        for position in range(count):
            cells = [] if position else [_cell(found.picture(image), "image", span=count)]
            name = html.escape(found.label(image, position))
            cells.append(f"<th>{name}<br>{_score(found, image, position)}</th>")
            for method, layer in columns:
                specific = found.methods[method].class_specific
                if not specific and position:
                    continue
                cells.append(
                    _cell(
                        painted[method, layer][image][position],
                        method,
                        span=1 if specific else count,
                        problem=_problem(found, (method, layer), (image, position)),
                    )
                )
            rows.append(f"<tr>{''.join(cells)}</tr>")
    more = len(found.images) - _SHOWN
    note = f"<p>and {more} more images</p>" if more > 0 else ""
    layers = html.escape(", ".join(map(str, found.layers)))
    return f"<table>{''.join(rows)}</table>{note}<p>layer {layers}</p>"


def text_of(found: "Explanation") -> str:
    """What was explained, the classes of the first images, and what is wrong, in lines that fit a screen.

    Args:
        found: The explanation.

    Returns:
        At most 20 lines of 100 characters.
    """
    plural = "" if len(found.images) == 1 else "s"
    lines = [f"Explanation of {len(found.images)} image{plural}"]
    lines += _some([f"layer {layer}" for layer in found.layers], 3)
    maps = [
        f"{' '.join(filter(None, (method, layer)))}: {tuple(stack.shape)}"
        for method, layer, stack in found.stacks()
    ]
    lines += _some(["maps " + ", ".join(maps)], 1)
    named = range(found.scores.shape[1])
    lines += _some(
        [
            f"image {image}: "
            + ", ".join(f"{found.label(image, at)} {_score(found, image, at)}" for at in named)
            for image in range(len(found.images))
        ],
        _LINES,
    )
    problems = [
        f"problem: {one.method}, image {one.image}{_class_of(found, one)}: {one.message}"
        for one in found.problems
    ]
    return "\n".join(lines + _some(problems, _LINES))


def _class_of(found: "Explanation", problem: "ExplanationProblem") -> str:
    """The class of a problem, where the method knows classes."""
    if not found.methods[problem.method].class_specific:
        return ""
    return f", {found.label(problem.image, problem.class_position)}"


def _some(lines: list[str], most: int) -> list[str]:
    """The first lines, each cut to the width, and how many there are beyond."""
    cut = [shorten(line, _WIDTH, placeholder=" ...") for line in lines[:most]]
    return cut + [f"and {len(lines) - most} more"] * (len(lines) > most)


def _pictures(found: "Explanation", method: str, layer: str | None) -> list[list[np.ndarray]]:
    """The overlays of each image that is shown; concepts in one."""
    if found.methods[method].name == "dff":
        panels = _concepts(found, method, layer)
        return [[panel] for panel in panels]
    drawn = found.overlay(method, layer=layer, on=found.canvas)
    return [[one.cpu().numpy() for one in drawn[n]] for n in range(min(len(drawn), _SHOWN))]


def _concepts(found: "Explanation", method: str, layer: str | None) -> Iterator[np.ndarray]:
    """All concepts of each image that is shown."""
    maps = found.map_of(method, layer)
    most = maps.amax((0, 2, 3))
    for n in range(min(len(maps), _SHOWN)):
        pixels, window = found.surface(n)
        one = maps[n : n + 1].to(pixels.device)
        yield concept_panel(pixels, one, window=window, largest=most)[0].cpu().numpy()


def _score(found: "Explanation", image: int, position: int) -> str:
    """The probability of a class; of a function its value."""
    if found.classes is None:
        return f"{float(found.scores[image, position]):.3g}"
    index, given = int(found.classes[image, position]), found.probabilities[image]
    share = float(given[index]) if len(given) > 1 else float(given[0] if index else 1 - given[0])
    return f"{100 * share:.3g} %"


def _problem(found: "Explanation", place: tuple[str, str | None], at: tuple[int, int]) -> str:
    """What is wrong with a map, or an empty text."""
    method, layer = place
    return next(
        (
            one.message
            for one in found.problems
            if one.method == method
            and layer in {None, one.layer}
            and (one.image, one.class_position) == at
        ),
        "",
    )


def _cell(picture: np.ndarray, title: str, *, span: int = 1, problem: str = "") -> str:
    """A cell of the table with a picture."""
    small = max(picture.shape[:2]) <= _LONGEST // 2
    style = _STYLE.format("pixelated" if small else "auto")
    told = f'<br><span style="color: #b35900">{html.escape(problem)}</span>' if problem else ""
    return (
        f'<td rowspan="{span}" style="max-width: 13rem"><img alt="{html.escape(title)}" style="{style}" '
        f'src="{page_picture(picture, _LONGEST)}">{told}</td>'
    )
