"""The component tree of a map: its leaves, and the saddles where connected components merge.

A leaf holds one local maximum and the pixels that reach it when each steps to its highest neighbour. Above any
threshold each leaf is connected. As the threshold falls, components can merge only at a *saddle*, a pixel whose higher
neighbours are in more than one piece: elsewhere all that a new pixel touches is one component already. So the
components at all thresholds follow from the leaves and the few saddles between them, without looking at every pixel
for every threshold.
"""

__all__ = [
    "ComponentTree",
    "MapLevels",
    "build_component_tree",
    "compiled",
    "map_levels",
    "sort_by_level",
]

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from inspect import unwrap
from typing import Any, TypeVar, cast

import numpy as np
from jaxtyping import Float, Int, Integer, UInt32

from figureground.base.errors import unknown_option

_Loops = TypeVar("_Loops", bound=Callable[..., object])


def compiled(loops: _Loops) -> _Loops:
    """The same function, compiled by numba at its first call and kept on disk for the next process.

    Where no folder can be written to, it is compiled anew in each process. A function that calls another one
    must live in the same file: what is kept on disk is renewed only when its own file changes. Numba is imported at the
    first call too, since that takes most of a second.

    Args:
        loops: A function of arrays, numbers and named tuples of these, in what numba knows of Python.

    Returns:
        The function; it does not hold Python's lock while it runs.

    Examples:
        >>> import numpy as np
        >>> @compiled
        ... def total(values: np.ndarray) -> int:
        ...     found = 0
        ...     for value in values:
        ...         found += value
        ...     return found
        >>> int(total(np.arange(5)))
        10
    """
    return cast("_Loops", _Loop(unwrap(loops)))  # tests wrap functions in a check of annotations


class _Loop:
    """A function that is replaced by its machine code once it is called."""

    def __init__(self, plain: Callable[..., Any]) -> None:
        self.plain = plain
        self.fast: Callable[..., Any] | None = None
        update_wrapper(self, plain)

    def __call__(self, *given: object) -> object:
        if self.fast is None:
            _replace_loops(self.plain.__globals__)
        return self.machine_code()(*given)

    def machine_code(self) -> Callable[..., Any]:
        """The function as numba makes it, made once."""
        if self.fast is None:
            self.fast = _machine_code(self.plain)
        return self.fast


def _replace_loops(names: dict[str, Any]) -> None:
    """Put machine code in the place of all loops of a file, which call one another by these names."""
    for name, value in list(names.items()):
        if isinstance(value, _Loop) and value.plain.__globals__ is names:
            names[name] = value.machine_code()


def _machine_code(plain: Callable[..., Any]) -> Callable[..., Any]:
    """What numba makes of a function, when it is called."""
    from numba import njit  # noqa: PLC0415 - slow to import

    try:
        done = njit(cache=True, nogil=True, error_model="numpy")(plain)
    except RuntimeError:  # nowhere to keep it
        done = njit(nogil=True, error_model="numpy")(plain)
    return cast("Callable[..., Any]", done)


@dataclass(frozen=True, eq=False)
class MapLevels:
    """A map as counts of thresholds.

    Args:
        counts: How many distinct thresholds each pixel exceeds, (H, W).
        heights: Finer whole numbers that never contradict the counts, (H, W).
        distinct: Number of distinct thresholds.
        which: For each threshold asked for, its position among the sorted distinct ones, (T,).
    """

    counts: Integer[np.ndarray, "H W"]
    heights: Integer[np.ndarray, "H W"]
    distinct: int
    which: Int[np.ndarray, " T"]

    def upside_down(self) -> "MapLevels":
        """The map upside down: pixel counts from the highest threshold downwards.

        Returns:
            Levels of which ``counts > j`` is where these are ``counts <= distinct - 1 - j``.

        Examples:
            >>> levels = map_levels(np.array([[0.1, 1.0]]), np.array([0.0, 0.5, 0.9]), clova=True)
            >>> levels.counts.tolist(), levels.upside_down().counts.tolist()
            ([[1, 3]], [[2, 0]])
        """
        below = self.counts.dtype.type(self.distinct) - self.counts
        return MapLevels(below, self.heights.max() - self.heights, self.distinct, self.which)


def map_levels(
    values: Float[np.ndarray, "H W"], shares: Float[np.ndarray, " T"], *, clova: bool
) -> MapLevels:
    """Count how many distinct thresholds each pixel exceeds.

    Args:
        values: The map; for ``clova`` in [0, 1].
        shares: Thresholds as shares of the maximum, in [0, 1].
        clova: Cut the map and the thresholds to 256 levels first.

    Returns:
        The levels.

    Examples:
        >>> map_levels(
        ...     np.array([[0.2, 0.6, 1.0]]), np.array([0.5, 0.0]), clova=False
        ... ).counts.tolist()
        [[1, 2, 2]]
    """
    if not clova:
        return _exact(values, shares)
    whole = np.ascontiguousarray(values)
    top = int(values.max() * values.dtype.type(255))
    scale = (top, 1 << _fine_bits(values.size, 255))
    counts, heights, distinct, which = _cut(whole, shares, scale)
    return MapLevels(counts, heights, distinct, which)


def _fine_bits(cells: int, levels: int) -> int:
    """How many bits finer heights may be so that they fit into 32 bits along with a cell's position."""
    spare = 32 - (2 * cells).bit_length() - levels.bit_length()
    return min(max(spare, 0), 8)


def _exact(values: np.ndarray, shares: np.ndarray) -> MapLevels:
    """The levels without cutting the map."""
    top = max(values.max(), values.dtype.type(0))
    distinct, which = np.unique(shares.astype(values.dtype) * top, return_inverse=True)
    counts = np.searchsorted(distinct, values, side="left").astype(np.uint32)
    bits = _fine_bits(values.size, len(distinct))
    fine = np.clip(values, 0, None) * (len(distinct) * 2**bits / max(float(top), 1e-30))
    heights = counts << np.uint32(bits) | (fine.astype(np.uint32) & np.uint32((1 << bits) - 1))
    kind = np.uint8 if len(distinct) < 256 else np.uint32
    return MapLevels(counts.astype(kind), heights, len(distinct), which)


@compiled
def _cut(
    values: np.ndarray, shares: np.ndarray, scale: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """Counts, heights, number of distinct thresholds, and which each one is, of a map cut to 256 levels."""
    top, fine = scale
    kind = values.dtype.type
    levels = (shares * top).astype(np.int64)
    asked = np.zeros(256, np.uint8)
    for level in levels:
        asked[level] = 1
    below = np.zeros(257, np.int64)  # how many distinct thresholds are below each grey level
    for grey in range(256):
        below[grey + 1] = below[grey] + asked[grey]
    table = below.astype(np.uint8)
    counts = np.empty(values.shape, np.uint8)
    heights = np.empty(values.shape, np.uint32)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            heights[y, x] = np.uint32(values[y, x] * kind(255) * kind(fine))
        for x in range(values.shape[1]):
            counts[y, x] = table[np.uint8(values[y, x] * kind(255))]
    return counts, heights, below[256], below[levels]


@dataclass(frozen=True, eq=False)
class ComponentTree:
    """A map on a flat grid with an empty border, and its component tree.

    Row y and column x of the map are cell ``(y + 1) * row + x + 1``; the cell left of the first column is
    also the one right of the last column of the row above.

    Args:
        counts: How many thresholds each cell exceeds, (cells,); 0 on the border.
        leaf: Which leaf a cell belongs to, from 1, (cells,); 0 on the border.
        number: How many leaves there are.
        saddles: Cells whose higher neighbours are in more than one piece, in reading order, (S,).
        shape: Height and width of the map.
        connectivity: 4 or 8 neighbours.
    """

    counts: Integer[np.ndarray, " cells"]
    leaf: UInt32[np.ndarray, " cells"]
    number: int
    saddles: Int[np.ndarray, " S"]
    shape: tuple[int, int]
    connectivity: int

    @property
    def row(self) -> int:
        """How many cells further the cell below is."""
        return self.shape[1] + 1


def build_component_tree(
    counts: Integer[np.ndarray, "H W"],
    heights: Integer[np.ndarray, "H W"],
    *,
    connectivity: int = 8,
) -> ComponentTree:
    """Find the leaves of a map's component tree and where they touch.

    Args:
        counts: How many of the sorted thresholds each pixel exceeds.
        heights: Finer integers, from 0 to below 2**32, that never contradict ``counts``. They make the
            leaves fewer and larger and change no component; ``counts`` itself will do.
        connectivity: 4 or 8 neighbours.

    Returns:
        The tree.

    Raises:
        OptionError: The connectivity is neither 4 nor 8.

    Examples:
        >>> counts = np.array([[2, 1, 2], [0, 0, 0]])
        >>> build_component_tree(counts, counts).number
        2
    """
    _check(connectivity)
    height, width = counts.shape
    row = width + 1
    size = (height + 2) * row + 1
    # two kinds of counts only: each kind is machine code of its own
    grid = np.zeros(size, np.uint8 if counts.dtype == np.uint8 else np.uint32)
    grid[:-1].reshape(-1, row)[1:-1, 1:] = counts
    bits = size.bit_length()
    narrow = int(heights.max()) < 1 << (32 - bits) if bits < 32 else False
    keys = np.zeros(size, np.uint32 if narrow else np.uint64)
    whole = np.ascontiguousarray(heights, dtype=np.uint32)
    leaf, number, saddles = _map_out(whole, keys, (bits, connectivity == 8))
    return ComponentTree(grid, leaf, number, saddles, (height, width), connectivity)


@compiled
def sort_by_level(
    levels: Integer[np.ndarray, " N"], highest: int
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " L"]]:
    """The order in which items appear when a level falls from ``highest`` to 1, and how many had by then.

    Args:
        levels: Level of each item, from 0; those at 0 never appear.
        highest: The highest level.

    Returns:
        Positions, highest level first and of equals the first one; and for each level from 0 to
        ``highest`` how many are at it or above it (at 0: all that appear).

    Examples:
        >>> order, until = sort_by_level(np.array([1, 3, 0, 3]), 3)
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


def _check(connectivity: int) -> None:
    """Refuse any other number of neighbours than 4 or 8."""
    if connectivity not in {4, 8}:
        raise unknown_option("connectivity", connectivity, ["4", "8"])


@compiled
def _map_out(
    heights: np.ndarray, keys: np.ndarray, form: tuple[int, bool]
) -> tuple[np.ndarray, int, np.ndarray]:
    """The leaf of each cell, the number of leaves, and the saddles."""
    bits, corners = form
    height, width = heights.shape
    _order_cells(heights, keys, bits)
    higher = np.zeros(len(keys), np.uint32)
    _climb(keys, higher, (height, width, (1 << bits) - 1, corners))
    leaf = np.zeros(len(keys), np.uint32)
    number = _number_leaves(higher, leaf)
    marks = np.zeros((len(keys) + 7) // 8 * 8, np.uint8)
    _mark_saddles(keys, marks, (width + 1, corners))
    return leaf, number, _marked(marks)


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
def _climb(keys: np.ndarray, higher: np.ndarray, layout: tuple[int, int, int, bool]) -> None:
    """The highest cell among each cell and its neighbours."""
    height, width, position, corners = layout
    row = width + 1
    column = np.zeros(width + 2, keys.dtype)
    for y in range(1, height + 1):
        above = keys[(y - 1) * row : (y - 1) * row + width + 2]
        middle = keys[y * row : y * row + width + 2]
        below = keys[(y + 1) * row : (y + 1) * row + width + 2]
        for x in range(width + 2):
            column[x] = max(above[x], middle[x], below[x])
        side = column if corners else middle
        best = higher[y * row + 1 : y * row + 1 + width]
        for x in range(width):
            best[x] = max(side[x], side[x + 2], column[x + 1]) & position


@compiled
def _number_leaves(higher: np.ndarray, leaf: np.ndarray) -> int:
    """Lead every cell to its summit, number the summits in reading order and say how many there are."""
    winding = True
    while winding:
        winding = _skip(higher, (0, 1)) and _skip(higher, (len(higher) - 1, -1))
    number = 0
    for cell in range(1, len(higher)):
        if higher[cell] == cell:
            number += 1
            leaf[cell] = number
    for cell in range(len(higher)):
        leaf[cell] = leaf[higher[cell]]
    return number


@compiled
def _skip(higher: np.ndarray, way: tuple[int, int]) -> bool:
    """Lead each cell where its next one leads, one after the other, and say whether that changed any."""
    start, step = way
    changed = np.uint32(0)
    for number in range(len(higher)):
        cell = np.uint32(start + step * number)
        further = higher[higher[cell]]
        changed |= higher[cell] ^ further
        higher[cell] = further
    return changed != np.uint32(0)


@compiled
def _mark_saddles(keys: np.ndarray, marks: np.ndarray, layout: tuple[int, bool]) -> None:
    """Mark the cells whose higher neighbours are in more than one piece."""
    row, corners = layout
    for start in range(row + 1, len(keys) - row - 1, row):
        own, mark = keys[start:], marks[start:]
        above, below, left = keys[start - row :], keys[start + row :], keys[start - 1 :]
        above_left, below_left = keys[start - row - 1 :], keys[start + row - 1 :]
        for x in range(row - 1):
            # bits 0, 2, 4, 6 are north, east, south, west
            sides = (
                (above[x] > own[x])
                | (left[x + 2] > own[x]) << 2
                | (below[x] > own[x]) << 4
                | (left[x] > own[x]) << 6
            )
            between = (
                (above[x + 1] > own[x]) << 1
                | (below[x + 1] > own[x]) << 3
                | (below_left[x] > own[x]) << 5
                | (above_left[x] > own[x]) << 7
            )
            both = sides << 1 & (sides >> 1 | sides << 7)
            # two sides touch at their corner; without corners, only through the pixel there
            ring = (sides | between | both) if corners else (sides | between & both)
            begins = ring & ~(ring << 1 | ring >> 7) & 255
            mark[x] = begins & (begins - 1) != 0


@compiled
def _marked(marks: np.ndarray) -> np.ndarray:
    """Positions of the marks, of which there are few: eight are looked at together."""
    words = marks.view(np.uint64)
    found = np.empty(len(marks), np.int64)
    number = 0
    for word in range(len(words)):
        if words[word]:
            for cell in range(8 * word, 8 * word + 8):
                if marks[cell]:
                    found[number] = cell
                    number += 1
    return found[:number].copy()
