"""Thresholds chosen on one part of the pictures, accuracy read on the other; and where the class counts too."""

__all__ = ["Parts", "RowResult", "Table", "pixel_precision", "row_result", "split_parts"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from figureground.base.errors import DataError, OptionError
from figureground.metrics.localisation.frozen_threshold import choose_threshold
from figureground.metrics.localisation.pixel_ap import pixel_average_precision
from figureground.studies.evaluation.localisation_measures import LocalisationGrid, hits_of

Table = Mapping[str, np.ndarray]
_RESAMPLES = 500


@dataclass(frozen=True, eq=False)
class Parts:
    """Which rows of the per-picture numbers belong to which part.

    Args:
        validation: Thresholds are chosen on these.
        test: Numbers are reported on these.
    """

    validation: Int[np.ndarray, " V"]
    test: Int[np.ndarray, " S"]


@dataclass(frozen=True, eq=False)
class RowResult:
    """One method.

    Args:
        measures: Key -> value of each test picture, in per cent; NaN where not defined.
        thresholds: Overlap -> threshold chosen on the validation part, single box.
        oracle: Overlap -> (accuracy in per cent, threshold) at the threshold that is best on the test part.
        oracle_v2: MaxBoxAccV2 in per cent, every overlap at the threshold that is best on the test part.
        curves: Overlap -> accuracy in per cent at each threshold on the test part, (O, T).
        frozen: Positions of the chosen thresholds.
    """

    measures: dict[str, np.ndarray]
    thresholds: dict[float, float]
    oracle: dict[float, tuple[float, float]]
    oracle_v2: float
    curves: Float[np.ndarray, "O T"]
    frozen: tuple[int, ...]


def split_parts(
    names: Sequence[str], judged: Bool[np.ndarray, " N"], *, share: float, seed: int
) -> Parts:
    """A random division of the judged pictures; entries of one picture stay together.

    Args:
        names: Of the pictures; equal names are one picture.
        judged: Which can be judged.
        share: Of the pictures for the validation part, above 0 and below 1.
        seed: Of the division.

    Returns:
        Positions of each part, in order.

    Raises:
        OptionError: The share is out of range.
        DataError: There are not two pictures to divide.

    Examples:
        >>> parts = split_parts(list("aabcde"), np.ones(6, bool), share=0.4, seed=0)
        >>> len(set(parts.validation) & set(parts.test)), len(parts.validation) + len(parts.test)
        (0, 6)
    """
    if not 0 < share < 1:
        raise OptionError(f"the validation share must lie between 0 and 1, got {share}")
    pictures = sorted({name for name, usable in zip(names, judged, strict=True) if usable})
    if len(pictures) < 2:
        raise DataError(f"{len(pictures)} pictures with boxes: two parts need at least two")
    order = np.random.default_rng(seed).permutation(len(pictures))
    count = min(max(1, round(share * len(pictures))), len(pictures) - 1)
    chosen = {pictures[at] for at in order[:count]}
    inside = np.array([name in chosen for name in names], bool)
    return Parts(np.flatnonzero(judged & inside), np.flatnonzero(judged & ~inside))


def row_result(table: Table, row: str, *, parts: Parts, grid: LocalisationGrid) -> RowResult:
    """Choose one method's thresholds on the validation part and read the test part with them.

    Args:
        table: Per-picture columns.
        row: The method.
        parts: The division.
        grid: Thresholds and overlaps.

    Returns:
        Its numbers.
    """
    shares = grid.shares
    single, multi = (hits_of(table[f"{row}/{key}"], len(shares)) for key in ("hits", "hits multi"))
    frozen, frozen_multi = (_chosen(hits[parts.validation], shares) for hits in (single, multi))
    test, test_multi = single[parts.test], multi[parts.test]
    columns = [test[:, at, place] for at, place in enumerate(frozen)]
    v2 = np.mean([test_multi[:, at, place] for at, place in enumerate(frozen_multi)], axis=0)
    known = columns[grid.known]
    measures = {
        **{f"box {one:g}": hit for one, hit in zip(grid.overlaps, columns, strict=True)},
        "v2": v2,
        **_with_class(table["rank"][parts.test], frozen=known, zhou=test[:, grid.known, grid.zhou]),
        **{key: table[f"{row}/{key}"][parts.test] for key in ("pointing", "energy", "blank")},
    }
    curves = test.mean(0)
    return RowResult(
        {key: 100 * values.astype(np.float64) for key, values in measures.items()},
        {one: float(shares[at]) for one, at in zip(grid.overlaps, frozen, strict=True)},
        {
            one: (100 * float(curve.max()), float(shares[curve.argmax()]))
            for one, curve in zip(grid.overlaps, curves, strict=True)
        },
        100 * float(test_multi.mean(0).max(1).mean()),
        100 * curves,
        frozen,
    )


def pixel_precision(counts: Int[np.ndarray, "N 2 B"], *, seed: int) -> tuple[float, float, float]:
    """Pixel average precision of all pictures, and the interval from drawing them anew.

    Args:
        counts: Of object and background pixels by score.
        seed: Of the drawing.

    Returns:
        The value and both ends of the 95 % interval, in per cent.
    """
    random = np.random.default_rng(seed)
    draws = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), _RESAMPLES)
    sums = np.einsum("rn,nob->rob", draws, counts)
    values = [pixel_average_precision(torch.from_numpy(one)) for one in sums if one[0].any()]
    whole = pixel_average_precision(torch.from_numpy(counts.sum(0, dtype=np.int64)))
    low, high = np.quantile(values, [0.025, 0.975])
    return 100 * whole, 100 * float(low), 100 * float(high)


def _chosen(hits: np.ndarray, shares: np.ndarray) -> tuple[int, ...]:
    """Position of the threshold for each overlap."""
    tables = (torch.from_numpy(hits[:, at].astype(np.float32)) for at in range(hits.shape[1]))
    return tuple(choose_threshold(table, shares, overlap=1.0).position for table in tables)


def _with_class(rank: np.ndarray, *, frozen: np.ndarray, zhou: np.ndarray) -> dict[str, np.ndarray]:
    """Right box and right class, with the frozen threshold and at 20 %."""
    found = {"zhou": zhou}
    for prefix, box in (("", frozen), ("zhou ", zhou)):
        for top in (1, 5):
            found[f"{prefix}top-{top}"] = np.where(rank < 0, np.nan, box & (rank < top))
    return found
