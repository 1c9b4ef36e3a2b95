"""The loops that follow the regions of a map while the threshold falls; compiled, for ``regions`` alone."""

__all__ = ["Events", "Grid", "all_boxes", "most_area", "most_pixels"]

from typing import NamedTuple

import numpy as np

from figureground.maps.component_tree import compiled

_NOWHERE = -(1 << 30)


class Grid(NamedTuple):
    """Cells with their counts and leaves, steps to the neighbours clockwise from north, and cells in a row."""

    counts: np.ndarray
    leaf: np.ndarray
    steps: np.ndarray
    row: int


class Events(NamedTuple):
    """What happens as the level falls, highest first, and for each level how much has happened there.

    Advances are rows of leaf, side and how far it reaches there; saddles and cells are positions in the grid.
    """

    advances: np.ndarray
    order: np.ndarray
    advances_until: np.ndarray
    saddles: np.ndarray
    saddles_until: np.ndarray
    cells: np.ndarray
    cells_until: np.ndarray


class _Regions(NamedTuple):
    """All regions at a level. A region is known by one of its leaves; ``parent`` leads there from the others.

    ``box`` is -left, -top, right, bottom; ``size`` the pixels; ``area`` what twice the outlined area is at
    least; ``live`` names the regions, as many as ``number[0]``.
    """

    parent: np.ndarray
    box: np.ndarray
    size: np.ndarray
    area: np.ndarray
    live: np.ndarray
    number: np.ndarray


@compiled
def most_pixels(grid: Grid, events: Events, boxes: np.ndarray) -> None:
    """Write the box of the region of most pixels at each threshold; of equals, of the first one.

    Args:
        grid: The cells.
        events: What happens at which level, cells included.
        boxes: Rows to write to, one for each threshold; those without a region stay as they are.
    """
    regions = _no_regions_yet(grid)
    for level in range(len(boxes), 0, -1):
        _lower_level(grid, events, (level, regions))
        live = regions.live[: regions.number[0]]
        if len(live) == 0:
            continue
        best = live[0]
        for one in live[1:]:
            more = regions.size[one] - regions.size[best]
            if more > 0 or (
                more == 0
                and _first(grid, regions, (one, level)) < _first(grid, regions, (best, level))
            ):
                best = one
        boxes[level - 1] = np.abs(regions.box[best])


@compiled
def most_area(grid: Grid, events: Events, boxes: np.ndarray) -> None:
    """Write the box of the region of largest outlined area at each threshold; of equals, of the last one.

    Args:
        grid: The cells, with eight steps.
        events: What happens at which level.
        boxes: Rows to write to, one for each threshold; those without a region stay as they are.
    """
    regions = _no_regions_yet(grid)
    for level in range(len(boxes), 0, -1):
        _lower_level(grid, events, (level, regions))
        best = _largest_outline(grid, regions, level)
        if best > 0:
            boxes[level - 1] = np.abs(regions.box[best])


@compiled
def all_boxes(grid: Grid, events: Events) -> np.ndarray:
    """The boxes of all regions of all thresholds.

    Args:
        grid: The cells.
        events: What happens at which level.

    Returns:
        Rows of threshold, falling, and box.
    """
    regions = _no_regions_yet(grid)
    rows = np.empty((1024, 5), np.int64)
    number = 0
    for level in range(len(events.advances_until) - 1, 0, -1):
        _lower_level(grid, events, (level, regions))
        while number + regions.number[0] > len(rows):
            rows = np.concatenate((rows, np.empty_like(rows)))
        for region in regions.live[: regions.number[0]]:
            rows[number, 0] = level - 1
            rows[number, 1:] = np.abs(regions.box[region])
            number += 1
    return rows[:number].copy()


@compiled
def _no_regions_yet(grid: Grid) -> _Regions:
    """Every leaf by itself, none of it above the level yet."""
    leaves = grid.leaf.max() + 1
    return _Regions(
        np.arange(leaves),
        np.full((leaves, 4), _NOWHERE),
        np.zeros(leaves, np.int64),
        np.zeros(leaves, np.int64),
        np.empty(leaves, np.int64),
        np.zeros(1, np.int64),
    )


@compiled
def _region(parent: np.ndarray, leaf: int) -> int:
    """The region that a leaf belongs to."""
    while parent[leaf] != leaf:
        parent[leaf] = parent[parent[leaf]]
        leaf = parent[leaf]
    return leaf


@compiled
def _lower_level(grid: Grid, events: Events, now: tuple[int, _Regions]) -> None:
    """Let the level fall by one: regions grow, begin and join."""
    level, regions = now
    last = level + 1 < len(events.advances_until)
    start = events.advances_until[level + 1] if last else 0
    for at in range(start, events.advances_until[level]):
        row = events.order[at]
        region = _region(regions.parent, events.advances[row, 1])
        if regions.box[region, 0] == _NOWHERE:
            regions.live[regions.number[0]] = region
            regions.number[0] += 1
        side = events.advances[row, 2]
        regions.box[region, side] = max(regions.box[region, side], events.advances[row, 3])
    start = events.cells_until[level + 1] if last else 0
    for at in range(start, events.cells_until[level]):
        regions.size[_region(regions.parent, grid.leaf[events.cells[at]])] += 1
    start = events.saddles_until[level + 1] if last else 0
    for at in range(start, events.saddles_until[level]):
        _join(grid, regions, (events.saddles[at], level))
    _forget_joined(regions)


@compiled
def _join(grid: Grid, regions: _Regions, place: tuple[int, int]) -> None:
    """Make one region of all that meet at a cell."""
    cell, level = place
    for step in grid.steps:
        if grid.counts[cell + step] < level or grid.leaf[cell + step] == grid.leaf[cell]:
            continue
        one = _region(regions.parent, grid.leaf[cell])
        other = _region(regions.parent, grid.leaf[cell + step])
        if one != other:
            regions.parent[other] = one
            for side in range(4):
                regions.box[one, side] = max(regions.box[one, side], regions.box[other, side])
            regions.size[one] += regions.size[other]
            regions.area[one] = max(regions.area[one], regions.area[other])


@compiled
def _forget_joined(regions: _Regions) -> None:
    """Strike regions that are part of another from the list."""
    number = 0
    for region in regions.live[: regions.number[0]]:
        if regions.parent[region] == region:
            regions.live[number] = region
            number += 1
    regions.number[0] = number


@compiled
def _first(grid: Grid, regions: _Regions, place: tuple[int, int]) -> int:
    """The first cell of a region in reading order."""
    region, level = place
    cell = (1 - regions.box[region, 1]) * grid.row + 1 - regions.box[region, 0]
    while grid.counts[cell] < level or _region(regions.parent, grid.leaf[cell]) != region:
        cell += 1
    return cell


@compiled
def _largest_outline(grid: Grid, regions: _Regions, level: int) -> int:
    """The region of largest outlined area, or 0 where there is none; measures as few as it can."""
    best, least = 0, -1
    for region in regions.live[: regions.number[0]]:
        least = max(least, regions.area[region])
        if best == 0 or _bound(regions, region) > _bound(regions, best):
            best = region
    measured = False
    for region in regions.live[: regions.number[0]]:
        if region == best or _bound(regions, region) < least:
            continue
        if not measured:
            _measure(grid, regions, (best, level))
            least, measured = max(least, regions.area[best]), True
        if _bound(regions, region) < least:
            continue
        _measure(grid, regions, (region, level))
        more = regions.area[region] - regions.area[best]
        if more > 0 or (
            more == 0
            and _first(grid, regions, (region, level)) > _first(grid, regions, (best, level))
        ):
            best, least = region, max(least, regions.area[region])
    return best


@compiled
def _bound(regions: _Regions, region: int) -> int:
    """Twice the area that a region's outline can enclose at most: its box's."""
    wide = regions.box[region, 2] + regions.box[region, 0]
    high = regions.box[region, 3] + regions.box[region, 1]
    return 2 * wide * high


@compiled
def _measure(grid: Grid, regions: _Regions, place: tuple[int, int]) -> None:
    """Set a region's area to what it is, unless it is known."""
    region, _ = place
    if regions.area[region] < _bound(regions, region):
        regions.area[region] = _outlined(grid, _first(grid, regions, place), place[1])


@compiled
def _outlined(grid: Grid, first: int, level: int) -> int:
    """Twice the area inside the outline of the region whose first cell this is, by walking round it clockwise."""
    turn = 2  # nothing is to the west and north of the first cell
    while turn < 6 and grid.counts[first + grid.steps[turn]] < level:
        turn += 1
    if turn == 6:
        return 0
    start, cell, x, y, area = turn, first, 0, 0, 0
    while True:
        right = (1 <= turn <= 3) - (turn >= 5)
        down = (3 <= turn <= 5) - (turn <= 1 or turn == 7)
        area += x * down - y * right
        x, y, cell = x + right, y + down, cell + grid.steps[turn]
        turn = ((turn + 6) | 1) & 7  # the first neighbour that may be above the level
        while grid.counts[cell + grid.steps[turn]] < level:
            turn = (turn + 1) & 7
        if cell == first and turn == start:
            return abs(area)
