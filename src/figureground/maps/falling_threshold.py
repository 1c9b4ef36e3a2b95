"""The loops that follow the regions of a map while the threshold falls; compiled, for ``regions`` alone."""

__all__ = ["Land", "Rise", "all_boxes", "most_area", "most_pixels"]

from typing import NamedTuple

import numpy as np

from figureground.maps.compiled import compiled

_NOWHERE = -(1 << 30)


class Land(NamedTuple):
    """Cells with their counts and hills, steps to the neighbours clockwise from north, and cells in a row."""

    counts: np.ndarray
    hill: np.ndarray
    steps: np.ndarray
    row: int


class Rise(NamedTuple):
    """What comes up as the level falls, highest first, and for each level how many have come up there.

    Advances are rows of hill, side and how far it reaches there; saddles and cells are positions in the land.
    """

    advances: np.ndarray
    order: np.ndarray
    advances_until: np.ndarray
    saddles: np.ndarray
    saddles_until: np.ndarray
    cells: np.ndarray
    cells_until: np.ndarray


class _Regions(NamedTuple):
    """All regions at a level. A region is known by one of its hills; ``parent`` leads there from the others.

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
def most_pixels(land: Land, rise: Rise, boxes: np.ndarray) -> None:
    """Write the box of the region of most pixels at each threshold; of equals, of the first one.

    Args:
        land: The cells.
        rise: What comes up, cells included.
        boxes: Rows to write to, one for each threshold; those without a region stay as they are.
    """
    regions = _none_yet(land)
    for level in range(len(boxes), 0, -1):
        _fall(land, rise, (level, regions))
        live = regions.live[: regions.number[0]]
        if len(live) == 0:
            continue
        best = live[0]
        for one in live[1:]:
            more = regions.size[one] - regions.size[best]
            if more > 0 or (
                more == 0
                and _first(land, regions, (one, level)) < _first(land, regions, (best, level))
            ):
                best = one
        boxes[level - 1] = np.abs(regions.box[best])


@compiled
def most_area(land: Land, rise: Rise, boxes: np.ndarray) -> None:
    """Write the box of the region of largest outlined area at each threshold; of equals, of the last one.

    Args:
        land: The cells, with eight steps.
        rise: What comes up.
        boxes: Rows to write to, one for each threshold; those without a region stay as they are.
    """
    regions = _none_yet(land)
    for level in range(len(boxes), 0, -1):
        _fall(land, rise, (level, regions))
        best = _largest_outline(land, regions, level)
        if best > 0:
            boxes[level - 1] = np.abs(regions.box[best])


@compiled
def all_boxes(land: Land, rise: Rise) -> np.ndarray:
    """The boxes of all regions of all thresholds.

    Args:
        land: The cells.
        rise: What comes up.

    Returns:
        Rows of threshold, falling, and box.
    """
    regions = _none_yet(land)
    rows = np.empty((1024, 5), np.int64)
    number = 0
    for level in range(len(rise.advances_until) - 1, 0, -1):
        _fall(land, rise, (level, regions))
        while number + regions.number[0] > len(rows):
            rows = np.concatenate((rows, np.empty_like(rows)))
        for region in regions.live[: regions.number[0]]:
            rows[number, 0] = level - 1
            rows[number, 1:] = np.abs(regions.box[region])
            number += 1
    return rows[:number].copy()


@compiled
def _none_yet(land: Land) -> _Regions:
    """Every hill by itself and nothing of it up."""
    hills = land.hill.max() + 1
    return _Regions(
        np.arange(hills),
        np.full((hills, 4), _NOWHERE),
        np.zeros(hills, np.int64),
        np.zeros(hills, np.int64),
        np.empty(hills, np.int64),
        np.zeros(1, np.int64),
    )


@compiled
def _region(parent: np.ndarray, hill: int) -> int:
    """The region that a hill belongs to."""
    while parent[hill] != hill:
        parent[hill] = parent[parent[hill]]
        hill = parent[hill]
    return hill


@compiled
def _fall(land: Land, rise: Rise, now: tuple[int, _Regions]) -> None:
    """Let the level fall by one: regions grow, begin and join."""
    level, regions = now
    last = level + 1 < len(rise.advances_until)
    start = rise.advances_until[level + 1] if last else 0
    for at in range(start, rise.advances_until[level]):
        row = rise.order[at]
        region = _region(regions.parent, rise.advances[row, 1])
        if regions.box[region, 0] == _NOWHERE:
            regions.live[regions.number[0]] = region
            regions.number[0] += 1
        side = rise.advances[row, 2]
        regions.box[region, side] = max(regions.box[region, side], rise.advances[row, 3])
    start = rise.cells_until[level + 1] if last else 0
    for at in range(start, rise.cells_until[level]):
        regions.size[_region(regions.parent, land.hill[rise.cells[at]])] += 1
    start = rise.saddles_until[level + 1] if last else 0
    for at in range(start, rise.saddles_until[level]):
        _join(land, regions, (rise.saddles[at], level))
    _forget_joined(regions)


@compiled
def _join(land: Land, regions: _Regions, place: tuple[int, int]) -> None:
    """Make one region of all that meet at a cell."""
    cell, level = place
    for step in land.steps:
        if land.counts[cell + step] < level or land.hill[cell + step] == land.hill[cell]:
            continue
        one = _region(regions.parent, land.hill[cell])
        other = _region(regions.parent, land.hill[cell + step])
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
def _first(land: Land, regions: _Regions, place: tuple[int, int]) -> int:
    """The first cell of a region in reading order."""
    region, level = place
    cell = (1 - regions.box[region, 1]) * land.row + 1 - regions.box[region, 0]
    while land.counts[cell] < level or _region(regions.parent, land.hill[cell]) != region:
        cell += 1
    return cell


@compiled
def _largest_outline(land: Land, regions: _Regions, level: int) -> int:
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
            _measure(land, regions, (best, level))
            least, measured = max(least, regions.area[best]), True
        if _bound(regions, region) < least:
            continue
        _measure(land, regions, (region, level))
        more = regions.area[region] - regions.area[best]
        if more > 0 or (
            more == 0
            and _first(land, regions, (region, level)) > _first(land, regions, (best, level))
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
def _measure(land: Land, regions: _Regions, place: tuple[int, int]) -> None:
    """Set a region's area to what it is, unless it is known."""
    region, _ = place
    if regions.area[region] < _bound(regions, region):
        regions.area[region] = _outlined(land, _first(land, regions, place), place[1])


@compiled
def _outlined(land: Land, first: int, level: int) -> int:
    """Twice the area inside the outline of the region whose first cell this is, by walking round it clockwise."""
    turn = 2  # nothing is to the west and north of the first cell
    while turn < 6 and land.counts[first + land.steps[turn]] < level:
        turn += 1
    if turn == 6:
        return 0
    start, cell, x, y, area = turn, first, 0, 0, 0
    while True:
        right = (1 <= turn <= 3) - (turn >= 5)
        down = (3 <= turn <= 5) - (turn <= 1 or turn == 7)
        area += x * down - y * right
        x, y, cell = x + right, y + down, cell + land.steps[turn]
        turn = ((turn + 6) | 1) & 7  # the first neighbour that may be above the level
        while land.counts[cell + land.steps[turn]] < level:
            turn = (turn + 1) & 7
        if cell == first and turn == start:
            return abs(area)
