"""Where maps lie on masks: their pixels as detectors of the mask's, their peak, mass and highest pixels."""

__all__ = ["mask_columns", "mask_tables", "pixel_precision"]

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from figureground.maps.post_processing import is_constant
from figureground.metrics.localisation.box_accuracy import default_thresholds
from figureground.metrics.localisation.map_mass import mass_inside, rank_accuracy
from figureground.metrics.localisation.pixel_ap import (
    IGNORED,
    pixel_average_precision,
    pixel_histograms,
)
from figureground.metrics.localisation.pointing import mask_pointing_game
from figureground.studies.evaluation.engine import Columns
from figureground.studies.evaluation.tables import known_mean, table

_STEP, _RESAMPLES = 0.01, 500
_KEYS = ("mask pointing", "mask energy", "mask rank accuracy")


def mask_columns(
    maps: Tensor, masks: Tensor, *, tolerance: float | None = None
) -> dict[str, np.ndarray]:
    """Numbers of maps at the size of their masks.

    Args:
        maps: ``(N, h, w)`` in [0, 1].
        masks: 1 on the object, 0 elsewhere, 255 where not to be judged.
        tolerance: Of the pointing game, pixels; None for maps that have no peak.

    Returns:
        ``pixels``: counts of object and background pixels by score, (N, 2, 101); ``mask pointing``, ``mask energy`` and
        ``mask rank accuracy``, NaN without a mask or a peak. A blank map has no peak: it misses.
    """
    counts = pixel_histograms(maps, masks, thresholds=default_thresholds(_STEP))
    found = {key: np.full(len(maps), np.nan, np.float32) for key in _KEYS}
    there = (masks == 1).flatten(1).any(1)
    if tolerance is not None:
        found["mask pointing"][there.numpy()] = 0
        good = there & ~is_constant(maps)
        at, own = good.numpy(), masks[good] == 1
        judged = maps.masked_fill(masks == IGNORED, 0)[good]
        hits = mask_pointing_game(maps[good], own, tolerance=tolerance)
        found["mask pointing"][at] = hits.numpy()
        found["mask energy"][at] = mass_inside(judged, own).numpy()
        found["mask rank accuracy"][at] = rank_accuracy(judged, own).numpy()
    return {"pixels": counts.numpy().astype(np.int32), **found}


def mask_tables(
    columns: Columns, rows: Sequence[str], test: Int[np.ndarray, " S"], *, seed: int
) -> Iterator[dict[str, Any]]:
    """The table of what ``mask_columns`` measured, where there are masks.

    Args:
        columns: Per-image numbers.
        rows: The methods.
        test: Positions of the images that are reported.
        seed: Of the interval.

    Yields:
        One table or none.
    """
    lines: list[list[object]] = []
    for row in rows:
        counts = columns.get(f"{row}/pixels")
        if counts is not None and counts[test][:, 0].any():
            found = pixel_precision(counts[test], seed=seed)
            shares = (100 * columns[f"{row}/{key}"][test].astype(np.float64) for key in _KEYS)
            means = (known_mean(one, 2) for one in shares)
            lines.append([row, *(round(value, 2) for value in found), *means])
    if lines:
        caption = (
            "PxAP: average precision of the map's pixels as a detector of the mask's, 100 thresholds, test images, "
            "with its interval. Then pointing, energy and rank accuracy, with the mask in the place of the boxes."
        )
        names = ["method", "PxAP", "low", "high", *(key.removeprefix("mask ") for key in _KEYS)]
        yield table("Pixels, %", names, lines, caption=caption)


def pixel_precision(counts: Int[np.ndarray, "N 2 B"], *, seed: int) -> tuple[float, float, float]:
    """Pixel average precision of all images and its 95 % bootstrap interval over images, per cent.

    Args:
        counts: Of object and background pixels by score, for each image.
        seed: Of the bootstrap.

    Returns:
        Value, lower and upper end.
    """
    random = np.random.default_rng(seed)
    draws = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), _RESAMPLES)
    sums = np.einsum("rn,nob->rob", draws, counts)
    values = [pixel_average_precision(torch.from_numpy(one)) for one in sums if one[0].any()]
    whole = pixel_average_precision(torch.from_numpy(counts.sum(0, dtype=np.int64)))
    low, high = np.quantile(values, [0.025, 0.975])
    return 100 * whole, 100 * float(low), 100 * float(high)
