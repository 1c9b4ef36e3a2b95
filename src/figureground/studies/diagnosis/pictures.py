"""Pictures of a diagnosis: images on other backgrounds, the four cells of the table, where the cue lies."""

__all__ = ["draw_cells", "draw_grids", "draw_strips", "picture"]

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from figureground.maps import overlay
from figureground.maps.image_files import enlarged, thumbnail
from figureground.metrics.reliance import composite
from figureground.studies.diagnosis.crossing import Crossing
from figureground.studies.diagnosis.findings import Findings
from figureground.studies.diagnosis.options import Strip

Namer = Callable[[int], str]

_SIDE, _SMALL, _PER_CELL = 220, 96, 6
_CELL_TITLES = (
    "both of the class (v11)",
    "object of the class, other background (v10)",
    "other object, background of the class (v01)",
    "neither (v00)",
)


def draw_strips(
    found: Findings,
    crossing: Crossing,
    names: list[str],
    *,
    model_names: Namer,
    count: int,
) -> tuple[Strip, ...]:
    """Images whose answer depends most surely on their background, each on four backgrounds.

    Args:
        found: The findings.
        crossing: The answers.
        names: Of the classes that occur.
        model_names: Number of a class of the network -> its name.
        count: How many images.

    Returns:
        The original, its background alone, and two backgrounds of other classes, with answers.
    """
    loss, error = found.images.loss, found.images.loss_error.nan_to_num(0)
    right = crossing.alone["best"] == crossing.classes[crossing.labels]
    low = (loss - 1.96 * error).nan_to_num(-2).masked_fill(~right, -3)
    order = [row for row in low.argsort(dim=0, descending=True).tolist() if low[row] > -3]
    times = [0] * len(names)
    turns = []  # one of each class before a second one of any
    for row in order:
        turns.append((times[int(crossing.labels[row])], row))
        times[int(crossing.labels[row])] += 1
    rows = [row for _, row in sorted(turns, key=lambda one: one[0])][:count]
    return tuple(_strip(crossing, row, names=names, model_names=model_names) for row in rows)


def _strip(crossing: Crossing, row: int, *, names: list[str], model_names: Namer) -> Strip:
    """One image."""
    scenes, label = crossing.scenes, int(crossing.labels[row])
    one, number = torch.tensor([row]), int(crossing.classes[label])

    def cell(title: str, image: Tensor, *, answer: int, probability: float) -> dict[str, Any]:
        return {
            "title": title,
            "answer": model_names(answer),
            "probability": round(probability, 3),
            "right": answer == number,
            "picture": picture(image, _SIDE),
        }

    alone = {name: values[row] for name, values in crossing.alone.items()}
    cells = [
        cell(
            "original",
            scenes.images(one),
            answer=int(alone["best"]),
            probability=float(alone["probability"]),
        ),
        cell(
            "its background alone",
            scenes.without_objects(one, "given"),
            answer=int(alone["background_best"]),
            probability=float(alone["background"]),
        ),
    ]
    cells += _on_others(crossing, row, cell=cell, names=names)
    return Strip(scenes.names[row], names[label], tuple(cells))


def _on_others(
    crossing: Crossing, row: int, *, cell: Callable[..., dict[str, Any]], names: list[str]
) -> list[dict[str, Any]]:
    """The image on the background that costs most, and on the one that costs least, of other classes."""
    scenes, label, cells = crossing.scenes, int(crossing.labels[row]), []
    one = torch.tensor([row])
    answers = crossing.answers["given"]
    mine = answers.pairs.foreground == row
    apart = crossing.labels[answers.pairs.background] != label
    at = (mine & apart).nonzero().flatten()
    at = at[answers.probabilities[at, label].argsort(dim=0)]
    for pair in at[:: max(1, len(at) - 1)][:2].tolist():  # the worst, and the best of the others
        donor = answers.pairs.background[pair : pair + 1]
        made = composite(
            scenes.images(one), scenes.objects(one, "given"), scenes.without_objects(donor, "given")
        )
        title = f"on a background of {names[int(crossing.labels[int(donor)])]}"
        sure = float(answers.probabilities[pair, label])
        cells.append(cell(title, made, answer=int(answers.best[pair]), probability=sure))
    return cells


def draw_grids(found: Findings, crossing: Crossing, names: list[str]) -> tuple[dict[str, Any], ...]:
    """The four cells for one class: that with the strongest pull, else the one with the largest gap.

    Args:
        found: The findings.
        crossing: The answers.
        names: Of the classes that occur.

    Returns:
        Title, rate and pictures of each cell.
    """
    cells = found.hits["given"].cells
    gaps = (cells[:, 0] - cells[:, 1]).nan_to_num(-2)
    label = found.classes[0].label if found.classes else int(gaps.argmax())
    answers = crossing.answers["given"]
    front, back = answers.pairs.classes(crossing.labels)
    inside = (
        (front == label) & (back == label),
        (front == label) & (back != label),
        (front != label) & (back == label),
        (front != label) & (back != label),
    )
    grids = []
    for at, (title, which) in enumerate(zip(_CELL_TITLES, inside, strict=True)):
        pairs = which.nonzero().flatten()[:_PER_CELL]
        i, j = answers.pairs.foreground[pairs], answers.pairs.background[pairs]
        scenes = crossing.scenes
        made = composite(
            scenes.images(i), scenes.objects(i, "given"), scenes.without_objects(j, "given")
        )
        rate = float(cells[label, at])
        grids.append(
            {
                "title": title,
                "class": names[label],
                "rate": None if rate != rate else round(rate, 4),  # noqa: PLR0124 - NaN
                "pictures": [picture(one[None], _SMALL) for one in made],
            }
        )
    return tuple(grids)


def draw_cells(crossing: Crossing) -> str:
    """Where the cue lies, over the mean image.

    Args:
        crossing: The answers.

    Returns:
        A ``data:`` address; empty where that was not measured.
    """
    if crossing.cells is None or crossing.cells.isnan().all():
        return ""
    count = min(len(crossing.scenes), 200)
    mean = torch.stack(
        [crossing.scenes.images(torch.tensor([row]))[0] for row in range(count)]
    ).mean(0)
    drawn = overlay(
        mean[None], crossing.cells.nan_to_num(0).clamp_min(0)[None], colour_map="inferno"
    )
    return thumbnail(enlarged(drawn[0].permute(2, 0, 1), _SIDE).permute(1, 2, 0).numpy(), 2 * _SIDE)


def picture(image: Tensor, side: int) -> str:
    """An image as a ``data:`` address.

    Args:
        image: ``(1, 3, H, W)`` in [0, 1].
        side: Pixels of its longer side; a smaller one is enlarged.

    Returns:
        The address.
    """
    pixels = (image[0] * 255).round().clamp(0, 255).to(torch.uint8)
    return thumbnail(enlarged(pixels, side).permute(1, 2, 0).contiguous().numpy(), side)
