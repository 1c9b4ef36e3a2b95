"""The connected regions of a map while the threshold falls: the largest at each threshold, or all of them."""

__all__ = ["every_region", "largest_outlines", "largest_regions"]

import numpy as np
from jaxtyping import Int

from figureground.maps.component_sweep import Events, Grid, all_boxes, most_area, most_pixels
from figureground.maps.component_tree import ComponentTree, sort_by_level
from figureground.maps.extents import advances


def largest_regions(tree: ComponentTree, thresholds: int) -> Int[np.ndarray, "T 4"]:
    """The box of the region of most pixels above each threshold.

    Of equally large ones, the first in reading order.

    Args:
        tree: Component tree of a map.
        thresholds: How many thresholds there are: for each j below it the region is ``counts > j``.

    Returns:
        Inclusive pixels x0 y0 x1 y1; -1 -1 -1 -1 where no pixel is above the threshold.

    Examples:
        >>> from figureground.maps.component_tree import build_component_tree
        >>> counts = np.array([[2, 1, 0, 1, 1, 1]])
        >>> largest_regions(build_component_tree(counts, counts), 3).tolist()
        [[3, 0, 5, 0], [0, 0, 0, 0], [-1, -1, -1, -1]]
    """
    boxes = np.full((thresholds, 4), -1, np.int64)
    most_pixels(_grid(tree), _events(tree, thresholds, sizes=True), boxes)
    return boxes


def largest_outlines(tree: ComponentTree, thresholds: int) -> Int[np.ndarray, "T 4"]:
    """The box of the region above each threshold whose outline encloses the largest area, holes included.

    The outline is the line through the centres of the border pixels, 8 neighbours. Of equally large ones, the
    last in reading order: the order in which a tracer of contours lists them. (Nothing inside
    another region's hole can be among the largest.) An outline is traced only where the boxes leave
    more than one region in question.

    Args:
        tree: Component tree of a map by 8 neighbours.
        thresholds: How many thresholds there are.

    Returns:
        Inclusive pixels x0 y0 x1 y1; -1 -1 -1 -1 where no pixel is above the threshold.

    Examples:
        >>> from figureground.maps.component_tree import build_component_tree
        >>> counts = np.array([[1, 1, 0, 1, 1], [1, 1, 0, 0, 0]])
        >>> largest_outlines(build_component_tree(counts, counts), 1).tolist()
        [[0, 0, 1, 1]]
    """
    boxes = np.full((thresholds, 4), -1, np.int64)
    most_area(_grid(tree), _events(tree, thresholds), boxes)
    return boxes


def every_region(
    tree: ComponentTree, thresholds: int
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, "M 4"]]:
    """The boxes of all regions above all thresholds.

    Args:
        tree: Component tree of a map.
        thresholds: How many thresholds there are.

    Returns:
        Positions of the thresholds, falling; and for each its box, inclusive pixels x0 y0 x1 y1.

    Examples:
        >>> from figureground.maps.component_tree import build_component_tree
        >>> counts = np.array([[2, 1, 2], [0, 0, 0]])
        >>> threshold, box = every_region(build_component_tree(counts, counts), 2)
        >>> threshold.tolist(), box.tolist()
        ([1, 1, 0], [[0, 0, 0, 0], [2, 0, 2, 0], [0, 0, 2, 0]])
    """
    rows = all_boxes(_grid(tree), _events(tree, thresholds))
    return rows[:, 0], rows[:, 1:]


def _grid(tree: ComponentTree) -> Grid:
    """The cells as the loops below take them."""
    row = tree.row
    ring = (-row, 1 - row, 1, row + 1, row, row - 1, -1, -row - 1)
    steps = np.array(ring if tree.connectivity == 8 else ring[::2])
    return Grid(tree.counts, tree.leaf, steps, row)


def _events(tree: ComponentTree, thresholds: int, *, sizes: bool = False) -> Events:
    """Advances, saddles and (for sizes) all cells, sorted by the level at which they appear."""
    moves = advances(tree)
    order, until = sort_by_level(moves[:, 0], thresholds)
    saddles, saddles_until = sort_by_level(tree.counts[tree.saddles], thresholds)
    cells, cells_until = sort_by_level(tree.counts if sizes else tree.counts[:0], thresholds)
    return Events(moves, order, until, tree.saddles[saddles], saddles_until, cells, cells_until)
