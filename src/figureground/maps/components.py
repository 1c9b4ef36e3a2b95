"""Box, size and polygon area of every connected region of a map at every threshold."""

__all__ = ["Components", "components_above"]

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Int, Integer

from figureground.base.errors import OptionError
from figureground.maps.component_tree import ComponentTree, component_tree

_CELLS_AT_ONCE = 1 << 22  # entries of the tables hill x statistic x threshold: 16 MB of int32
_NOTHING = -(1 << 30)


@dataclass(frozen=True, eq=False)
class Components:
    """Connected regions at all thresholds, one row each, sorted by threshold.

    Args:
        threshold: Position of the threshold, (M,).
        box: Inclusive pixels x0 y0 x1 y1, (M, 4).
        first: Row-major position of the first pixel in reading order, (M,).
        size: Number of pixels; or, where areas were asked for, twice the area of the polygon
            through the centres of the border pixels, less the holes, (M,).
        holes: Number of holes, (M,); 0 where areas were not asked for.
    """

    threshold: Int[np.ndarray, " M"]
    box: Int[np.ndarray, "M 4"]
    first: Int[np.ndarray, " M"]
    size: Int[np.ndarray, " M"]
    holes: Int[np.ndarray, " M"]


def components_above(
    counts: Integer[np.ndarray, "H W"],
    heights: Integer[np.ndarray, "H W"],
    thresholds: int,
    *,
    connectivity: int = 8,
    areas: bool = False,
) -> Components:
    """The connected regions ``counts > j`` for every ``j`` in ``range(thresholds)``.

    Time grows with the number of pixels, and with local maxima times thresholds. Tables are made
    for some of the thresholds at a time, so that memory stays bounded.

    Args:
        counts: How many of the sorted thresholds a pixel exceeds, in [0, thresholds].
        heights: Finer integers from 0 to below 2**32 that never contradict ``counts``; ``counts``
            itself will do.
        thresholds: How many thresholds there are.
        connectivity: 4 or 8 neighbours.
        areas: Measure polygon areas and count holes rather than pixels; for 8 neighbours.

    Returns:
        One row for each region of each threshold.

    Raises:
        OptionError: The connectivity is not 4 or 8, or areas are asked for with 4.

    Example:
        >>> counts = np.array([[2, 1, 2], [0, 0, 0]])
        >>> regions = components_above(counts, counts, 2)
        >>> regions.threshold.tolist(), regions.size.tolist(), regions.box[0].tolist()
        ([0, 1, 1], [3, 1, 1], [0, 0, 2, 0])
    """
    if areas and connectivity != 8:
        raise OptionError(f"polygon areas are for 8 neighbours, got connectivity {connectivity}")
    tree = component_tree(counts, heights, connectivity=connectivity)
    step = max(1, _CELLS_AT_ONCE // (6 * tree.hills))
    spans = [range(at, min(at + step, thresholds)) for at in range(0, thresholds, step)]
    parts = [_regions(tree, span, areas=areas) for span in spans]
    threshold, extremes, sums = (np.concatenate(part) for part in zip(*parts, strict=True))
    bottom, first, right, left = extremes[:, 0], -extremes[:, 1], extremes[:, 2], -extremes[:, 3]
    box = np.stack([left, first // tree.row - 1, right, bottom // tree.row - 1], axis=1)
    first = (first // tree.row - 1) * (tree.row - 1) + first % tree.row
    holes = 1 - sums[:, 1] if areas else np.zeros_like(first)
    return Components(threshold, box, first, sums[:, 0], holes)


def _regions(
    tree: ComponentTree, span: range, *, areas: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Threshold, extremes and sums of each region for some of the thresholds."""
    counts = tree.counts
    if span.start > 0 or len(span) < counts.max():
        counts = np.clip(counts, span.start, span.stop) - counts.dtype.type(span.start)
    shape = (tree.hills, len(span) + 1)
    base = tree.hill * shape[1]
    group = base + counts
    extremes = _extremes(group, tree.row, shape)
    sums = _areas(tree, counts, (base, shape)) if areas else _tally([group], shape)
    _join(tree, span, (extremes, sums))
    extremes[0] = _NOTHING
    threshold, region = np.nonzero(extremes[:, 0].T >= 0)
    return threshold + span.start, extremes[region, :, threshold], sums[region, :, threshold]


def _extremes(group: np.ndarray, row: int, shape: tuple[int, int]) -> np.ndarray:
    """Last cell, - first cell, last column, - first column: (hill, 4, threshold)."""
    cell, column = _positions(group.size // row, row)
    down = group.reshape(-1, row).T.ravel()
    table = np.full((4, shape[0] * shape[1]), _NOTHING, dtype=np.int32)
    # of several values written to one place the last stays, so the order of writing decides
    table[0][group] = cell
    table[1][group[::-1]] = -cell[::-1]
    table[2][down] = column
    table[3][down[::-1]] = -column[::-1]
    falling = table.reshape(4, *shape)[:, :, :0:-1]
    above = np.maximum.accumulate(falling, axis=2)[:, :, ::-1]
    return np.ascontiguousarray(above.transpose(1, 0, 2))


@lru_cache(maxsize=4)
def _positions(rows: int, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of each cell in reading order, and the column of each cell in order of columns."""
    cell = np.arange(rows * row, dtype=np.int32)
    column = np.repeat(np.arange(row, dtype=np.int32), rows)
    cell.flags.writeable = column.flags.writeable = False
    return cell, column


def _areas(
    tree: ComponentTree, counts: np.ndarray, place: tuple[np.ndarray, tuple[int, int]]
) -> np.ndarray:
    """Twice the polygon area and the Euler number: (hill, 2, threshold)."""
    base, shape = place
    third, fourth, present = _windows(counts, tree.row)
    place_of = np.where(present, base[: -tree.row - 1], base[1 : -tree.row])
    areas = _tally([place_of + third, place_of + fourth], shape)
    cells, change = tree.turns
    turns = np.bincount(base[cells] + counts[cells], change, shape[0] * shape[1])
    euler = np.cumsum(turns.reshape(shape)[:, :0:-1], axis=1)[:, ::-1].astype(np.int32)
    return np.stack([areas[:, 0], euler], axis=1)


def _windows(counts: np.ndarray, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Third and fourth largest of each window of 2 x 2, and whether the first of the four is not least."""
    # three pixels present hold half a square of the polygon, four a whole one; whenever three are
    # present, the first or, where that one is least, the second pixel is
    a, b, c, d = counts[: -row - 1], counts[1:-row], counts[row:-1], counts[row + 1 :]
    low_ab, low_cd = np.minimum(a, b), np.minimum(c, d)
    fourth, third = np.minimum(low_ab, low_cd), np.maximum(low_ab, low_cd)
    for high in (np.maximum(a, b), np.maximum(c, d)):
        np.minimum(third, high, out=third)
    return third, fourth, a != fourth


def _tally(groups: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """How often each hill is met above each threshold: (hill, 1, threshold)."""
    found = sum(np.bincount(group, minlength=shape[0] * shape[1]) for group in groups)
    above = np.cumsum(np.reshape(found, shape)[:, :0:-1], axis=1, dtype=np.int32)
    return np.ascontiguousarray(above[:, None, ::-1])


def _join(tree: ComponentTree, span: range, tables: tuple[np.ndarray, np.ndarray]) -> None:
    """Below a saddle, let the surviving hill's row stand for both."""
    extremes, sums = tables
    for height, survivor, swallowed in tree.joins:
        stop = min(height - span.start, len(span))
        if stop <= 0:
            return
        kept = extremes[survivor, :, :stop]
        np.maximum(kept, extremes[swallowed, :, :stop], out=kept)
        extremes[swallowed, :, :stop] = _NOTHING
        sums[survivor, :, :stop] += sums[swallowed, :, :stop]
