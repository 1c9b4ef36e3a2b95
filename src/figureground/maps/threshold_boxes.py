"""The boxes of a map at many thresholds at once, by the published rules, exactly."""

__all__ = [
    "AREAS",
    "CONVENTIONS",
    "Shares",
    "ThresholdBoxes",
    "advances",
    "boxes_from_map",
    "every_region",
    "largest_outlines",
    "largest_regions",
]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import MapError, OptionError, unknown_option
from figureground.maps.component_sweep import Events, Grid, all_boxes, most_area, most_pixels
from figureground.maps.component_tree import (
    ComponentTree,
    MapLevels,
    build_component_tree,
    compiled,
    map_levels,
    sort_by_level,
)

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


AREAS = ("polygon", "pixels")
CONVENTIONS = ("clova", "inclusive", "half-open")
Shares = Sequence[float | int] | Float[np.ndarray, "T"] | Float[Tensor, "T"]


@dataclass(frozen=True, eq=False)
class ThresholdBoxes:
    """Boxes, each with the threshold that it belongs to.

    Args:
        boxes: xyxy in pixels, (M, 4), sorted by threshold.
        threshold: Position in the list of thresholds, (M,). Every position occurs; a threshold that
            no pixel exceeds has the one box ``0 0 0 0``.
    """

    boxes: Float[Tensor, "M 4"]
    threshold: Int[Tensor, " M"]

    def at(self, position: int) -> Float[Tensor, "B 4"]:
        """The boxes of one threshold.

        Args:
            position: Position in the list of thresholds.

        Returns:
            Boxes xyxy.
        """
        return self.boxes[self.threshold == position]


@checked
def boxes_from_map(
    one_map: Float[Tensor, "H W"] | Float[np.ndarray, "H W"],
    thresholds: Shares,
    *,
    multi: bool = False,
    area: str = "polygon",
    convention: str = "clova",
    connectivity: int = 8,
) -> ThresholdBoxes:
    """The box of the largest region above each threshold, or the boxes of all contours.

    A threshold is a share of the map's maximum; a pixel belongs to a region where it is strictly
    above it. All thresholds are served by one pass; equal ones are computed once.

    Args:
        one_map: The map. For ``convention="clova"`` normalised to [0, 1]; else anything finite.
        thresholds: Shares of the maximum, in [0, 1].
        multi: Return every contour, those round holes included, rather than the largest.
        area: What "largest" means: "polygon", the area enclosed by the line through the centres of the
            border pixels, so that a thin line has none and holes count in full; or "pixels". Of
            equals, the first in OpenCV's order of contours (the last in reading order where nothing is nested),
            and for "pixels" the first in reading order.
        convention: "clova": the map is cut to 256 levels first, and a box is ``x0, y0, min(x1 + 1, W - 1),
            min(y1 + 1, H - 1)`` where x1 and y1 are the last pixels, to be read as inclusive: what
            the evaluation code of Choe et al. does. "inclusive": x1 and y1 are the last pixels.
            "half-open": they are one more. The latter two do not cut the map to levels.
        connectivity: 8, or 4 with ``area="pixels"``.

    Returns:
        The boxes; one for each threshold unless ``multi``.

    Raises:
        MapError: The map is not finite, or for "clova" not in [0, 1].
        OptionError: An option is unknown, or a threshold is not in [0, 1].

    References:
        Choe, Oh, Lee, Chun, Akata, Shim (2020). Evaluating Weakly Supervised Object Localization Methods
        Right. CVPR, section 3.2, arXiv 2001.07437, and its published evaluation code.

    Examples:
        >>> one_map = np.array([[0.4, 0, 0.2, 0.2], [1, 0.6, 0, 0.4], [0.8, 0.8, 0, 0.4]])
        >>> boxes_from_map(one_map, [0.0, 0.5]).boxes.tolist()
        [[0.0, 0.0, 3.0, 2.0], [0.0, 1.0, 2.0, 2.0]]
    """
    _check_options(area, convention, (connectivity, multi))
    values = _values(one_map, convention)
    levels = map_levels(values, _shares(thresholds), clova=convention == "clova")
    if multi:
        threshold, inclusive = _all_contours(levels)
        return _spread(_in_convention(inclusive, convention, values.shape), threshold, levels)
    tree = build_component_tree(levels.counts, levels.heights, connectivity=connectivity)
    largest = largest_outlines if area == "polygon" else largest_regions
    inclusive = largest(tree, levels.distinct)
    boxes = _in_convention(inclusive, convention, values.shape)
    boxes[inclusive[:, 0] < 0] = 0
    position = np.arange(len(levels.which))
    return ThresholdBoxes(torch.from_numpy(boxes[levels.which]), torch.from_numpy(position))


def _check_options(area: str, convention: str, others: tuple[int, bool]) -> None:
    """Refuse what is not offered."""
    connectivity, multi = others
    if area not in AREAS:
        raise unknown_option("area", area, AREAS)
    if convention not in CONVENTIONS:
        raise unknown_option("convention", convention, CONVENTIONS)
    if connectivity not in {4, 8}:
        raise unknown_option("connectivity", connectivity, ["4", "8"])
    if connectivity == 4 and (multi or area == "polygon"):
        raise OptionError(
            "contours are for connectivity 8; with 4 use area='pixels' and multi=False"
        )


def _values(one_map: Tensor | np.ndarray, convention: str) -> np.ndarray:
    """The map as float32 or float64 numbers that can be boxed."""
    array = one_map.detach().cpu().numpy() if isinstance(one_map, Tensor) else one_map
    values = array if array.dtype.char in "fd" else array.astype(np.float32)
    low, high = (values.min(), values.max()) if values.size else (np.nan, np.nan)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise MapError(f"no boxes: the map of shape {array.shape} is empty or not finite")
    if convention == "clova" and (low < 0 or high > 1):
        raise MapError(f"convention 'clova' wants a map in [0, 1], got {low:.4g} to {high:.4g}")
    return values


def _shares(thresholds: Shares) -> np.ndarray:
    """The thresholds as float64 numbers in [0, 1]."""
    shares = np.asarray(thresholds, dtype=np.float64)
    if shares.ndim != 1 or shares.size == 0 or not (shares.min() >= 0 and shares.max() <= 1):
        raise OptionError("thresholds must be a list of numbers in [0, 1]")
    return shares


def _all_contours(levels: MapLevels) -> tuple[np.ndarray, np.ndarray]:
    """Threshold and inclusive box of every region, then of every hole with the pixels round it."""
    distinct, ground = levels.distinct, levels.upside_down()
    height, width = levels.counts.shape
    outer = every_region(build_component_tree(levels.counts, levels.heights), distinct)
    low = build_component_tree(ground.counts, ground.heights, connectivity=4)
    threshold, box = every_region(low, distinct)
    inside = (box[:, :2] > 0).all(1) & (box[:, 2:] < (width - 1, height - 1)).all(1)
    threshold = np.concatenate([outer[0], distinct - 1 - threshold[inside]])
    return threshold, np.concatenate([outer[1], box[inside] + (-1, -1, 1, 1)])


def _in_convention(inclusive: np.ndarray, convention: str, shape: tuple[int, ...]) -> np.ndarray:
    """Corners as the convention writes them."""
    if convention == "inclusive":
        return inclusive.astype(np.float32)
    boxes = inclusive + np.array([0, 0, 1, 1])
    if convention == "clova":
        boxes = np.minimum(boxes, np.array([shape[1], shape[0]] * 2) - 1)
    return boxes.astype(np.float32)


def _spread(boxes: np.ndarray, threshold: np.ndarray, levels: MapLevels) -> ThresholdBoxes:
    """From distinct levels back to the thresholds asked for; the empty box where there is none."""
    number = np.bincount(threshold, minlength=levels.distinct)
    absent = np.flatnonzero(number == 0)
    boxes = np.concatenate([boxes, np.zeros((len(absent), 4), np.float32)])
    order = np.argsort(np.concatenate([threshold, absent]), kind="stable")
    number = np.maximum(number, 1)
    start = np.cumsum(number) - number
    each = number[levels.which]
    position = np.repeat(np.arange(len(each)), each)
    within = np.arange(len(position)) - np.repeat(np.cumsum(each) - each, each)
    rows = order[np.repeat(start[levels.which], each) + within]
    return ThresholdBoxes(torch.from_numpy(boxes[rows]), torch.from_numpy(position))
