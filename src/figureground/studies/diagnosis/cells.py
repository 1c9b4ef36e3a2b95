"""Where in the background the cue lies: one cell at a time is replaced by another image's."""

__all__ = ["GRID", "cell_losses", "mean_cells", "peakedness"]

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.seeds import generator
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.diagnosis.scenes import Scenes

GRID = 8
"""Cells a side."""

_SEED_STEP = 1_000_003
_LEAST_MEDIAN = 0.01  # nats

Cell = tuple[slice, slice]


def cell_losses(
    scenes: Scenes,
    labels: Tensor,
    row: int,
    *,
    score: Callable[[Tensor], Tensor],
    options: DiagnoseOptions,
) -> Float[np.ndarray, "g g"]:
    """Log-probability lost where a cell has another class's background, less that with the class's own.

    Cells with any pixel of the (dilated) object are left out: a cut object looks like a cue at its border.

    Args:
        scenes: The images.
        labels: Class of each.
        row: Which image.
        score: Images to logits.
        options: The seed, and how many images at a time.

    Returns:
        ``(8, 8)``; NaN where there is no background, or no image to take it from.
    """
    found = np.full((GRID, GRID), np.nan, np.float32)
    draws = generator(options.seed * _SEED_STEP + row)
    apart = scenes.groups != scenes.groups[row]
    other = _drawn((apart & (labels != labels[row])).nonzero().flatten(), draws)
    own = _drawn((apart & (labels == labels[row])).nonzero().flatten(), draws)
    one = torch.tensor([row])
    mask = scenes.objects(one, "outer")[0]
    places = [(a, b, cell) for a, b, cell in _grid(mask.shape) if not mask[cell].any()]
    if other is None or own is None or not places:
        return found
    cells = [cell for *_, cell in places]
    swapped = torch.cat([_swapped(scenes, row, donor, cells=cells) for donor in (other, own)])
    logits = torch.cat([score(part) for part in torch.split(swapped, options.batch_size)])
    logs = logits.log_softmax(1)[:, int(scenes.labels[row])]
    losses = (logs[len(cells) :] - logs[: len(cells)]).tolist()
    for (a, b, _), loss in zip(places, losses, strict=True):
        found[a, b] = loss
    return found


def mean_cells(losses: Float[Tensor, "n g g"]) -> tuple[Float[Tensor, "g g"], Float[Tensor, "g g"]]:
    """Mean over images, and its standard error.

    Args:
        losses: Of each image.

    Returns:
        Both; NaN where fewer than a twentieth of the images, or fewer than three, have background.
    """
    known = ~losses.isnan()
    count = known.sum(0)
    mean = losses.nan_to_num(0).sum(0) / count
    squares = ((losses - mean).square()).nan_to_num(0).sum(0)
    few = count < max(3, len(losses) / 20)
    error = (squares / (count - 1).clamp_min(1) / count).sqrt()
    return mean.masked_fill(few, torch.nan), error.masked_fill(few, torch.nan)


def peakedness(mean: Float[Tensor, "g g"], error: Float[Tensor, "g g"]) -> float:
    """How surely the strongest cell stands out: its loss less two standard errors, over the median's absolute value.

    A cue that is all over the background is still there when one cell is replaced: then all losses are small, and the
    largest of them is chance. Hence the errors, and a median of 0.01 at least.

    Args:
        mean: Mean losses.
        error: Their standard errors.

    Returns:
        Above 4 the cue is local; 0 where nothing is known or nothing stands out.

    Examples:
        >>> peakedness(torch.tensor([[0.5, 0.1], [0.1, 0.1]]), torch.full((2, 2), 0.05))
        4.0
    """
    known = ~mean.isnan()
    if not known.any():
        return 0.0
    surely = (mean - 2 * error)[known].double().max()
    median = mean[known].double().median().abs().clamp_min(_LEAST_MEDIAN)
    return max(0.0, round(float(surely / median), 6))


def _swapped(scenes: Scenes, row: int, donor: int, *, cells: list[Cell]) -> Tensor:
    """The image once for each cell, that cell taken from the donor's background."""
    image = scenes.images(torch.tensor([row]))[0]
    other = scenes.without_objects(torch.tensor([donor]), "given")[0]
    made = image.repeat(len(cells), 1, 1, 1)
    for at, cell in enumerate(cells):
        made[(at, slice(None), *cell)] = other[(slice(None), *cell)]
    return made


def _drawn(rows: Tensor, draws: torch.Generator) -> int | None:
    """One of the rows."""
    return int(rows[torch.randint(len(rows), (1,), generator=draws)]) if len(rows) else None


def _grid(shape: torch.Size) -> list[tuple[int, int, Cell]]:
    """Row, column and pixels of each cell."""
    ends = [[round(k * side / GRID) for k in range(GRID + 1)] for side in shape]
    return [
        (a, b, (slice(ends[0][a], ends[0][a + 1]), slice(ends[1][b], ends[1][b + 1])))
        for a in range(GRID)
        for b in range(GRID)
    ]
