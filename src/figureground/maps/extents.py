"""How far the leaves of a component tree reach, to each side and at each threshold.

For every row and column that a leaf crosses, its highest pixel there is kept. Walking in from one side, only a
row that is higher than all before it moves the leaf's border on that side, at the thresholds between: an
*advance*. A map has few of them.
"""

__all__ = ["advances"]

import numpy as np
from jaxtyping import Int

from figureground.maps.compiled import compiled
from figureground.maps.component_tree import ComponentTree

_FAR = 1 << 30


def advances(tree: ComponentTree) -> Int[np.ndarray, "A 4"]:
    """All moves of a leaf's border as the threshold falls.

    Args:
        tree: Component tree of a map.

    Returns:
        Rows of the count at which it happens, from 1; the leaf; the side (0 left, 1 top, 2 right, 3 bottom);
        and the column or row of the map that the leaf then reaches, negative for left and top, so that on
        every side further is larger.

    Examples:
        >>> from figureground.maps.component_tree import build_component_tree
        >>> counts = np.array([[2, 1, 0]])
        >>> advances(build_component_tree(counts, counts)).tolist()
        [[2, 1, 0, 0], [2, 1, 1, 0], [1, 1, 2, 1], [2, 1, 2, 0], [2, 1, 3, 0]]
    """
    return _advances(tree.leaf, tree.counts, (*tree.shape, tree.number))


@compiled
def _advances(leaf: np.ndarray, counts: np.ndarray, layout: tuple[int, int, int]) -> np.ndarray:
    """The rows of ``advances``."""
    height, width, number = layout
    runs = _runs(leaf, (height, width))
    reach = _reach(runs, number)
    # where in one long array the columns and the rows of a leaf begin, less its first column or row
    offset = np.zeros((number + 1, 2), np.int64)
    total = 0
    for one in range(1, number + 1):
        for axis in range(2):
            offset[one, axis] = total - reach[one, axis]
            total += reach[one, axis + 2] - reach[one, axis] + 1
    highest = np.zeros(total, counts.dtype)
    _profiles(runs, counts, (highest, offset, width + 1))
    table = np.empty((2 * total, 4), np.int32)
    return table[: _advance(highest, (offset, reach), table)]


@compiled
def _runs(leaf: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Leaf, row, first and last column of each run of cells of one leaf in one row."""
    height, width = shape
    runs = np.empty((height * width, 4), np.int32)
    number = 0
    for y in range(height):
        line = leaf[(y + 1) * (width + 1) + 1 : (y + 2) * (width + 1) + 1]
        start = 0
        for x in range(width):
            if x + 1 == width or line[x] != line[x + 1]:
                runs[number, 0], runs[number, 1] = line[x], y
                runs[number, 2], runs[number, 3] = start, x
                start = x + 1
                number += 1
    return runs[:number].copy()


@compiled
def _reach(runs: np.ndarray, leaves: int) -> np.ndarray:
    """First column, first row, last column and last row of each leaf."""
    reach = np.full((leaves + 1, 4), -1, np.int64)
    reach[:, :2] = _FAR
    for run in range(len(runs)):
        leaf, y = runs[run, 0], runs[run, 1]
        reach[leaf, 0] = min(reach[leaf, 0], runs[run, 2])
        reach[leaf, 1] = min(reach[leaf, 1], y)
        reach[leaf, 2] = max(reach[leaf, 2], runs[run, 3])
        reach[leaf, 3] = max(reach[leaf, 3], y)
    return reach


@compiled
def _profiles(
    runs: np.ndarray, counts: np.ndarray, place: tuple[np.ndarray, np.ndarray, int]
) -> None:
    """The highest count of each leaf in each of its columns and rows."""
    highest, offset, row = place
    for run in range(len(runs)):
        leaf, y, start = runs[run, 0], runs[run, 1], runs[run, 2]
        first = (y + 1) * row + 1 + start
        length = runs[run, 3] + 1 - start
        line = counts[first : first + length]
        column = highest[offset[leaf, 0] + start : offset[leaf, 0] + start + length]
        best = line[0]
        for x in range(length):
            column[x] = max(column[x], line[x])
            best = max(best, line[x])
        at = offset[leaf, 1] + y
        highest[at] = max(highest[at], best)


@compiled
def _advance(highest: np.ndarray, place: tuple[np.ndarray, np.ndarray], table: np.ndarray) -> int:
    """Write level, leaf, side and signed position of each advance, and say how many there are."""
    offset, reach = place
    number = 0
    for leaf in range(1, len(offset)):
        for side in range(4):
            axis, sign = side % 2, 1 if side > 1 else -1
            low, high = reach[leaf, axis], reach[leaf, axis + 2]
            best = 0
            for step in range(high - low + 1):
                at = low + step if side < 2 else high - step
                level = highest[offset[leaf, axis] + at]
                if level > best:
                    best = level
                    table[number, 0], table[number, 1] = level, leaf
                    table[number, 2], table[number, 3] = side, sign * at
                    number += 1
    return number
