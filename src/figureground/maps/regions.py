"""The connected regions of a map while the threshold falls: the largest at each threshold, or all of them."""

__all__ = ["every_region", "largest_outlines", "largest_regions"]

import numpy as np
from jaxtyping import Int

from figureground.maps.extents import advances
from figureground.maps.falling_threshold import Land, Rise, all_boxes, most_area, most_pixels
from figureground.maps.hills import Hills, falling


def largest_regions(hills: Hills, thresholds: int) -> Int[np.ndarray, "T 4"]:
    """The box of the region of most pixels above each threshold.

    Of equally large ones, the first in reading order.

    Args:
        hills: A map and its hills.
        thresholds: How many thresholds there are: for each j below it the region is ``counts > j``.

    Returns:
        Inclusive pixels x0 y0 x1 y1; -1 -1 -1 -1 where no pixel is above the threshold.

    Examples:
        >>> from figureground.maps.hills import find_hills
        >>> counts = np.array([[2, 1, 0, 1, 1, 1]])
        >>> largest_regions(find_hills(counts, counts), 3).tolist()
        [[3, 0, 5, 0], [0, 0, 0, 0], [-1, -1, -1, -1]]
    """
    boxes = np.full((thresholds, 4), -1, np.int64)
    most_pixels(_land(hills), _rise(hills, thresholds, sizes=True), boxes)
    return boxes


def largest_outlines(hills: Hills, thresholds: int) -> Int[np.ndarray, "T 4"]:
    """The box of the region above each threshold whose outline encloses the largest area, holes included.

    The outline is the line through the centres of the border pixels, 8 neighbours. Of equally large ones, the
    last in reading order: the order in which a tracer of contours lists them. (Nothing inside
    another region's hole can be among the largest.) An outline is traced only where the boxes leave
    more than one region in question.

    Args:
        hills: A map and its hills by 8 neighbours.
        thresholds: How many thresholds there are.

    Returns:
        Inclusive pixels x0 y0 x1 y1; -1 -1 -1 -1 where no pixel is above the threshold.

    Examples:
        >>> from figureground.maps.hills import find_hills
        >>> counts = np.array([[1, 1, 0, 1, 1], [1, 1, 0, 0, 0]])
        >>> largest_outlines(find_hills(counts, counts), 1).tolist()
        [[0, 0, 1, 1]]
    """
    boxes = np.full((thresholds, 4), -1, np.int64)
    most_area(_land(hills), _rise(hills, thresholds), boxes)
    return boxes


def every_region(
    hills: Hills, thresholds: int
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, "M 4"]]:
    """The boxes of all regions above all thresholds.

    Args:
        hills: A map and its hills.
        thresholds: How many thresholds there are.

    Returns:
        Positions of the thresholds, falling; and for each its box, inclusive pixels x0 y0 x1 y1.

    Examples:
        >>> from figureground.maps.hills import find_hills
        >>> counts = np.array([[2, 1, 2], [0, 0, 0]])
        >>> threshold, box = every_region(find_hills(counts, counts), 2)
        >>> threshold.tolist(), box.tolist()
        ([1, 1, 0], [[0, 0, 0, 0], [2, 0, 2, 0], [0, 0, 2, 0]])
    """
    rows = all_boxes(_land(hills), _rise(hills, thresholds))
    return rows[:, 0], rows[:, 1:]


def _land(hills: Hills) -> Land:
    """The cells as the loops below take them."""
    row = hills.row
    ring = (-row, 1 - row, 1, row + 1, row, row - 1, -1, -row - 1)
    steps = np.array(ring if hills.connectivity == 8 else ring[::2])
    return Land(hills.counts, hills.hill, steps, row)


def _rise(hills: Hills, thresholds: int, *, sizes: bool = False) -> Rise:
    """Advances, saddles and (for sizes) all cells, sorted by the level at which they come up."""
    moves = advances(hills)
    order, until = falling(moves[:, 0], thresholds)
    saddles, saddles_until = falling(hills.counts[hills.saddles], thresholds)
    cells, cells_until = falling(hills.counts if sizes else hills.counts[:0], thresholds)
    return Rise(moves, order, until, hills.saddles[saddles], saddles_until, cells, cells_until)
