"""Where the regions of a map begin and join as the threshold falls, from one pass over the map.

A *hill* is the set of pixels that climb to the same summit when each steps to its highest neighbour. Two
hills are joined at a *saddle*: above it they are two regions, from it downwards they are one. So the
regions of all thresholds follow from the hills and the few saddles between them.
"""

__all__ = ["ComponentTree", "component_tree"]

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Integer

from figureground.base.errors import unknown_option

# neighbours of a pixel, clockwise from north: (row step, column step); bit i of a pattern is neighbour i
_RING = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


@dataclass(frozen=True, eq=False)
class ComponentTree:
    """Hills, saddles and turns of a map.

    Cells lie on a flat grid: the map with an empty row above, one below, and an empty column at the right,
    so that every neighbour of a cell is a fixed number of cells away.

    Args:
        counts: How many thresholds each cell exceeds, (cells,).
        hill: Which hill a cell belongs to, (cells,); 0 where no threshold is exceeded by its summit.
        hills: Number of hills, counting number 0.
        row: Cells in a row of the grid: the map's width + 1.
        joins: (height, surviving hill, swallowed hill), highest first.
        turns: Cells at which the Euler number (regions less holes) changes as the threshold falls past
            them, and by how much.
    """

    counts: np.ndarray
    hill: np.ndarray
    hills: int
    row: int
    joins: list[tuple[int, int, int]]
    turns: tuple[np.ndarray, np.ndarray]


def component_tree(
    counts: Integer[np.ndarray, "H W"],
    heights: Integer[np.ndarray, "H W"],
    *,
    connectivity: int = 8,
) -> ComponentTree:
    """Find the hills of a map and where they join.

    Args:
        counts: How many of the sorted thresholds each pixel exceeds.
        heights: Finer integers from 0 to below 2**32 that never contradict ``counts``. They make the hills
            fewer and larger and change no region; ``counts`` itself will do.
        connectivity: 4 or 8 neighbours.

    Returns:
        The tree.

    Raises:
        OptionError: The connectivity is neither 4 nor 8.

    Example:
        >>> counts = np.array([[2, 1, 2], [0, 0, 0]])
        >>> component_tree(counts, counts).joins
        [(1, 2, 1)]
    """
    _check(connectivity)
    row = counts.shape[1] + 1
    flat = _bordered(counts)
    key = _key(heights)
    hill, hills = _hills(_climb(key, row, connectivity), flat)
    pattern = _higher_neighbours(key, row)
    change = np.take(_euler_changes(connectivity), pattern, mode="clip")
    cells = np.flatnonzero(change != 0)
    cells = cells[flat[cells] > 0]
    change = change[cells]
    saddles = cells[change < 0]
    met = pattern[saddles] & (0b11111111 if connectivity == 8 else 0b01010101)
    joins = _joins(_meetings(saddles, met, (flat, hill, row)), hills)
    return ComponentTree(flat, hill, hills, row, joins, (cells, change))


def _check(connectivity: int) -> None:
    """Refuse any other number of neighbours than 4 or 8."""
    if connectivity not in {4, 8}:
        raise unknown_option("connectivity", connectivity, ["4", "8"])


def _bordered(pixels: np.ndarray) -> np.ndarray:
    """The flat grid of a map: zero in the row above, in the row below and in the column at the right."""
    height, width = pixels.shape
    grid = np.zeros((height + 2, width + 1), dtype=pixels.dtype)
    grid[1:-1, :-1] = pixels
    return grid.ravel()


def _key(heights: np.ndarray) -> np.ndarray:
    """A strict order of the cells: height first, then position; unsigned, the position in the low half."""
    grid = _bordered(heights)
    narrow = grid.size <= 1 << 16 and int(heights.max()) < 1 << 16
    position = np.arange(grid.size)
    if narrow:
        return grid.astype(np.uint32) * np.uint32(1 << 16) | position.astype(np.uint32)
    return grid.astype(np.uint64) * np.uint64(1 << 32) | position.astype(np.uint64)


def _climb(key: np.ndarray, row: int, connectivity: int) -> np.ndarray:
    """The summit above each cell."""
    best = key.copy()
    for step in (1, row):
        side = best.copy() if connectivity == 8 else key
        np.maximum(best[step:], side[:-step], out=best[step:])
        np.maximum(best[:-step], side[step:], out=best[:-step])
    best &= key.dtype.type((1 << (16 if key.dtype == np.uint32 else 32)) - 1)
    return _ends(best.astype(np.intp))


def _ends(after: np.ndarray) -> np.ndarray:
    """Where each chain of cells ends, when ``after`` names the next cell and an end names itself."""
    while True:
        for _ in range(7):  # looking whether it is done costs as much as going on
            after = np.take(after, after, mode="clip")
        further = np.take(after, after, mode="clip")
        if np.array_equal(further, after):
            return after
        after = further


def _hills(summit: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the hills that rise above the lowest threshold from 1: hill of each cell, and how many with 0."""
    summits = np.flatnonzero(summit == np.arange(summit.size))
    summits = summits[counts[summits] > 0]
    name = np.zeros(summit.size, dtype=np.intp)
    name[summits] = np.arange(1, len(summits) + 1)
    return np.take(name, summit, mode="clip"), len(summits) + 1


def _higher_neighbours(key: np.ndarray, row: int) -> np.ndarray:
    """For each cell, one bit for each neighbour that is higher."""
    pattern = np.zeros(key.size, dtype=np.uint8)
    for there in range(2, 6):  # the other four neighbours are these four, seen from the other side
        down, right = _RING[there]
        step, back = down * row + right, (there + 4) % 8
        higher = (key[step:] > key[:-step]).view(np.uint8)
        # a product with a power of two is a shift, and several times as fast on bytes
        pattern[:-step] |= higher * np.uint8(1 << there)
        pattern[step:] |= (higher ^ np.uint8(1)) * np.uint8(1 << back)
    return pattern


@cache
def _euler_changes(connectivity: int) -> np.ndarray:
    """By how much a cell that appears changes (regions - holes), for each pattern of neighbours present."""
    return np.array([_euler_change(pattern, connectivity) for pattern in range(256)], dtype=np.int8)


def _euler_change(pattern: int, connectivity: int) -> int:
    """1 - regions met, and +1 when the cell closes a hole of one pixel."""
    present = [bool(pattern >> i & 1) for i in range(8)]
    sides = [i for i in range(0, 8, 2) if present[i]]
    if connectivity == 4:
        # two sides are one region already when the corner between them is there
        linked = sum(present[i] and present[i + 1] and present[(i + 2) % 8] for i in range(0, 8, 2))
        return 1 - len(sides) + linked
    lone = sum(
        present[i] and not present[i - 1] and not present[(i + 1) % 8] for i in range(1, 8, 2)
    )
    linked = sum(present[i] and present[(i + 2) % 8] for i in range(0, 8, 2))
    return 1 - (len(sides) - linked + lone)


def _meetings(
    saddles: np.ndarray, patterns: np.ndarray, ground: tuple[np.ndarray, np.ndarray, int]
) -> list[tuple[int, int, int]]:
    """Pairs of hills that meet at a saddle, with its height: highest first."""
    counts, hill, row = ground
    steps = np.array([down * row + right for down, right in _RING])
    around = hill[saddles[:, None] + steps]
    own = hill[saddles]
    meets = (patterns[:, None] >> np.arange(8) & 1).astype(bool) & (around != own[:, None])
    at, _ = np.nonzero(meets)
    height = counts[saddles[at]].astype(np.int64)
    order = np.argsort(-height, kind="stable")
    columns = (height[order], own[at][order], around[meets][order])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _joins(meetings: list[tuple[int, int, int]], hills: int) -> list[tuple[int, int, int]]:
    """Only the meetings of what was apart until then."""
    parent = list(range(hills))

    def root(one: int) -> int:
        """The hill that swallowed this one."""
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    joins = []
    for height, one, other in meetings:
        survivor, swallowed = root(one), root(other)
        if survivor != swallowed:
            parent[swallowed] = survivor
            joins.append((height, survivor, swallowed))
    return joins
