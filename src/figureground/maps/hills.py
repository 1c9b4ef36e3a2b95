"""The hills of a map: the pixels that climb to the same summit when each steps to its highest neighbour.

Above any threshold each hill is connected, and two hills can touch only at pixels that have a higher
neighbour on another hill. So the connected regions at all thresholds follow from the hills and these few
*passes*, without looking at every pixel for every threshold.
"""

__all__ = ["Hills", "falling", "find_hills"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Integer

from figureground.base.errors import unknown_option
from figureground.maps.compiled import compiled


@dataclass(frozen=True, eq=False)
class Hills:
    """A map on a flat grid with an empty border, and its hills.

    Row y and column x of the map are cell ``(y + 1) * row + x + 1``; the cell left of the first column is
    also the one right of the last column of the row above.

    Args:
        counts: How many thresholds each cell exceeds, (cells,); 0 on the border.
        hill: Which hill a cell belongs to, from 1, (cells,); 0 on the border.
        number: How many hills there are.
        passes: Cells with a higher neighbour on another hill, in reading order, (P,).
        shape: Height and width of the map.
        connectivity: 4 or 8 neighbours.
    """

    counts: Integer[np.ndarray, " cells"]
    hill: Int[np.ndarray, " cells"]
    number: int
    passes: Int[np.ndarray, " P"]
    shape: tuple[int, int]
    connectivity: int

    @property
    def row(self) -> int:
        """How many cells further the cell below is."""
        return self.shape[1] + 1


def find_hills(
    counts: Integer[np.ndarray, "H W"],
    heights: Integer[np.ndarray, "H W"],
    *,
    connectivity: int = 8,
) -> Hills:
    """Find the hills of a map and where they touch.

    Args:
        counts: How many of the sorted thresholds each pixel exceeds.
        heights: Finer integers, from 0 to below 2**32, that never contradict ``counts``. They make the
            hills fewer and larger and change no region; ``counts`` itself will do.
        connectivity: 4 or 8 neighbours.

    Returns:
        The hills.

    Raises:
        OptionError: The connectivity is neither 4 nor 8.

    Example:
        >>> counts = np.array([[2, 1, 2], [0, 0, 0]])
        >>> find_hills(counts, counts).number
        2
    """
    if connectivity not in {4, 8}:
        raise unknown_option("connectivity", connectivity, ["4", "8"])
    height, width = counts.shape
    row = width + 1
    size = (height + 2) * row + 1
    grid = np.zeros(size, counts.dtype)
    grid[:-1].reshape(-1, row)[1:-1, 1:] = counts
    bits = size.bit_length()
    narrow = int(heights.max()) < 1 << (32 - bits) if bits < 32 else False
    keys = np.zeros(size, np.uint32 if narrow else np.uint64)
    _order_cells(np.ascontiguousarray(heights), keys, bits)
    higher = np.zeros(size, np.int32)
    _climb(keys, higher, (height, width, (1 << bits) - 1, connectivity == 8))
    hill = np.zeros(size, np.int32)
    number = _number_hills(higher, hill, (height, width))
    passes = np.zeros(size, np.bool_)
    steps = (1, row, row - 1, row + 1)[: connectivity // 2]
    for step in steps:
        _mark_passes((hill, keys, passes), step, (height, width))
    return Hills(grid, hill, number, np.flatnonzero(passes), (height, width), connectivity)


@compiled
def falling(
    levels: Integer[np.ndarray, " N"], highest: int
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " L"]]:
    """The order in which things come up when a level falls from ``highest`` to 1, and how many had by then.

    Args:
        levels: Level of each thing, from 0; those at 0 never come up.
        highest: The highest level.

    Returns:
        Positions, highest level first and of equals the first one; and for each level from 0 to
        ``highest`` how many are at it or above it (at 0: what comes up at all).

    Example:
        >>> order, until = falling(np.array([1, 3, 0, 3]), 3)
        >>> order.tolist(), until.tolist()
        ([1, 3, 0], [3, 3, 2, 2])
    """
    until = np.zeros(highest + 1, np.int64)
    for level in levels:
        until[level] += 1
    total = 0
    for level in range(highest, 0, -1):
        start = total
        total += until[level]
        until[level] = start
    until[0] = total
    order = np.empty(total, np.int64)
    for place, level in enumerate(levels):
        if level > 0:
            order[until[level]] = place
            until[level] += 1
    return order, until


@compiled
def _order_cells(heights: np.ndarray, keys: np.ndarray, bits: int) -> None:
    """A strict order of the cells: height first, then position; the position in the low bits."""
    row = heights.shape[1] + 1
    for y in range(heights.shape[0]):
        first = (y + 1) * row + 1
        line = keys[first : first + row - 1]
        for x in range(row - 1):
            line[x] = (np.uint64(heights[y, x]) << np.uint64(bits)) | np.uint64(first + x)


@compiled
def _climb(keys: np.ndarray, higher: np.ndarray, ground: tuple[int, int, int, bool]) -> None:
    """The highest cell among each cell and its neighbours."""
    height, width, position, corners = ground
    row = width + 1
    column = np.zeros(width + 2, keys.dtype)
    for y in range(1, height + 1):
        above = keys[(y - 1) * row : (y - 1) * row + width + 2]
        middle = keys[y * row : y * row + width + 2]
        below = keys[(y + 1) * row : (y + 1) * row + width + 2]
        for x in range(width + 2):
            column[x] = max(max(above[x], middle[x]), below[x])
        side = column if corners else middle
        best = higher[y * row + 1 : y * row + 1 + width]
        for x in range(width):
            best[x] = max(max(side[x], side[x + 2]), column[x + 1]) & position


@compiled
def _number_hills(higher: np.ndarray, hill: np.ndarray, shape: tuple[int, int]) -> int:
    """Number the summits in reading order, hand the numbers down, and say how many there are."""
    number = 0
    row = shape[1] + 1
    first, last = row + 1, (shape[0] + 1) * row
    for cell in range(first, last):
        up = higher[cell]
        if up == cell:
            number += 1
            hill[cell] = number
        else:
            hill[cell] = hill[up]
    for cell in range(last - 1, first - 1, -1):
        if hill[cell] == 0:
            hill[cell] = hill[higher[cell]]
    # most cells are done; the others lie on winding ways
    for cell in range(first, last):
        if hill[cell] == 0 and higher[cell] != 0:
            end = higher[cell]
            while hill[end] == 0:
                end = higher[end]
            down = cell
            while hill[down] == 0:
                hill[down] = hill[end]
                down = higher[down]
    return number


@compiled
def _mark_passes(
    grids: tuple[np.ndarray, np.ndarray, np.ndarray], step: int, shape: tuple[int, int]
) -> None:
    """Mark the lower one of each two cells a step apart that are on two hills."""
    hill, keys, passes = grids
    row = shape[1] + 1
    end = (shape[0] + 1) * row
    here, there = hill[row : end], hill[row + step : end + step]
    low, high = keys[row : end], keys[row + step : end + step]
    first, second = passes[row : end], passes[row + step : end + step]
    for cell in range(end - row):
        first[cell] |= (here[cell] != there[cell]) & (low[cell] < high[cell])
    for cell in range(end - row):
        second[cell] |= (here[cell] != there[cell]) & (low[cell] > high[cell])
