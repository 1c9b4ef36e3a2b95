"""Which region has the outline of largest area, holes filled, as a tracer of contours would say."""

__all__ = ["filled_area", "largest_outlines"]

import numpy as np
from jaxtyping import Bool, Int, Integer
from scipy import ndimage

from figureground.maps.components import Components

_EIGHT = np.ones((3, 3), dtype=bool)


def largest_outlines(
    regions: Components, counts: Integer[np.ndarray, "H W"]
) -> Int[np.ndarray, " R"]:
    """For each threshold that has regions, the one whose outline encloses the largest area.

    Regions carry their area without holes. Where that and the box, a bound on the area with holes,
    leave one region in question, nothing is traced; only else are holes filled and nesting looked at.

    Args:
        regions: All regions of all thresholds with their areas.
        counts: How many thresholds each pixel exceeds.

    Returns:
        Rows of ``regions``, one for each threshold that has any, in order of threshold.

    Example:
        >>> from figureground.maps.components import components_above
        >>> counts = np.array([[1, 1, 0, 1, 1], [1, 1, 0, 0, 0]])
        >>> regions = components_above(counts, counts, 1, areas=True)
        >>> regions.box[largest_outlines(regions, counts)].tolist()
        [[0, 0, 1, 1]]
    """
    if len(regions.threshold) == 0:
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.diff(regions.threshold, prepend=-1))
    group = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(regions.threshold)))
    sides = regions.box[:, 2:] - regions.box[:, :2]
    bound = np.where(regions.holes > 0, 2 * sides[:, 0] * sides[:, 1], regions.size)
    best = np.maximum.reduceat(regions.size, starts)
    rivals = np.flatnonzero(bound >= best[group])
    # of equal areas the region that is met last in reading order comes first
    order = rivals[np.lexsort((regions.first[rivals], regions.size[rivals], group[rivals]))]
    last = np.flatnonzero(np.diff(group[order], append=len(starts)))
    winners = order[last]
    crowded = np.diff(last, prepend=-1) > 1
    hollow = np.maximum.reduceat(regions.holes, starts) > 0
    for at in np.flatnonzero(crowded & hollow):
        winners[at] = _traced(regions, counts, rivals[group[rivals] == at])
    return winners


def filled_area(mask: Bool[np.ndarray, "H W"]) -> int:
    """Twice the area of the polygon through the centres of a region's border pixels, holes filled.

    Args:
        mask: One connected region (8 neighbours).

    Returns:
        Twice the area in square pixels, a whole number.

    Example:
        >>> filled_area(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool))
        8
    """
    ground, _ = ndimage.label(~np.pad(mask, 1))
    filled = (ground != ground[0, 0]).astype(np.int8)
    window = filled[1:, 1:] + filled[1:, :-1] + filled[:-1, 1:] + filled[:-1, :-1]
    return int(np.count_nonzero(window == 3) + 2 * np.count_nonzero(window == 4))


def _traced(regions: Components, counts: np.ndarray, rivals: np.ndarray) -> int:
    """The winner among rows of one threshold, with holes filled and ties settled by nesting."""
    mask = counts > regions.threshold[rivals[0]]
    areas = np.array([_outline_area(regions, mask, row) for row in rivals.tolist()])
    equals = rivals[areas == areas.max()]
    if len(equals) == 1:
        return int(equals[0])
    paths = _nesting(mask, regions.first[equals])
    return int(equals[min(range(len(equals)), key=lambda i: paths[i])])


def _outline_area(regions: Components, mask: np.ndarray, row: int) -> int:
    """Twice the area that a region's outline encloses."""
    if regions.holes[row] == 0:
        return int(regions.size[row])
    x0, y0, x1, y1 = regions.box[row]
    labels, _ = ndimage.label(mask[y0 : y1 + 1, x0 : x1 + 1], structure=_EIGHT)
    first_row, first_column = divmod(int(regions.first[row]), mask.shape[1])
    return filled_area(labels == labels[first_row - y0, first_column - x0])


def _nesting(mask: np.ndarray, firsts: np.ndarray) -> list[tuple[int, ...]]:
    """Where each region stands in the tree of contours, in the order in which OpenCV lists them."""
    padded = np.pad(mask, 1)
    figure, _ = ndimage.label(padded, structure=_EIGHT)
    ground, _ = ndimage.label(~padded)
    first_of_figure = np.unique(figure, return_index=True)[1]
    first_of_ground = np.unique(ground, return_index=True)[1]
    width = padded.shape[1]

    def path(cell: int) -> tuple[int, ...]:
        """Outermost region, hole, region, ...; later in reading order comes first."""
        around = ground.flat[cell - 1]
        if around == ground[0, 0]:
            return (-cell,)
        hole = int(first_of_ground[around])
        outer = int(first_of_figure[figure.flat[hole - 1]])
        return (*path(outer), -hole, -cell)

    row, column = np.divmod(firsts, mask.shape[1])
    return [path(int(cell)) for cell in (row + 1) * width + column + 1]
