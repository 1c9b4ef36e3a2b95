"""The boxes of a map at many thresholds at once, by the published rules, exactly."""

__all__ = ["AREAS", "CONVENTIONS", "Shares", "ThresholdBoxes", "boxes_from_map"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.errors import MapError, OptionError, unknown_option
from figureground.maps.components import Components, components_above
from figureground.maps.contours import largest_outlines

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


@dataclass(frozen=True, eq=False)
class _Levels:
    """A map in whole numbers: thresholds exceeded, finer heights, and the level asked for each threshold."""

    counts: np.ndarray
    heights: np.ndarray
    distinct: int
    which: np.ndarray


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

    Example:
        >>> one_map = np.array([[0.4, 0, 0.2, 0.2], [1, 0.6, 0, 0.4], [0.8, 0.8, 0, 0.4]])
        >>> boxes_from_map(one_map, [0.0, 0.5]).boxes.tolist()
        [[0.0, 0.0, 3.0, 2.0], [0.0, 1.0, 2.0, 2.0]]
    """
    _check_options(area, convention, (connectivity, multi))
    values = _values(one_map, convention)
    levels = _levels(values, _shares(thresholds), clova=convention == "clova")
    if multi:
        threshold, inclusive = _all_contours(levels, connectivity)
    else:
        threshold, inclusive = _largest(levels, area, connectivity)
    boxes = _in_convention(inclusive, convention, values.shape)
    return _spread(boxes, threshold, levels)


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
    values = array if array.dtype in {np.dtype("f4"), np.dtype("f8")} else array.astype(np.float32)
    low, high = (values.min(), values.max()) if values.size else (np.nan, np.nan)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise MapError(f"no boxes: the map of shape {array.shape} is empty or not finite")
    if convention == "clova" and (low < 0 or high > 1):
        raise MapError(f"convention 'clova' wants a map in [0, 1], got {low:.4g} to {high:.4g}")
    return values


def _shares(thresholds: Shares) -> np.ndarray:
    """The thresholds as float64 numbers in [0, 1]."""
    shares = np.asarray(thresholds, dtype=np.float64)
    if shares.ndim != 1 or shares.size == 0 or not ((shares >= 0) & (shares <= 1)).all():
        raise OptionError("thresholds must be a list of numbers in [0, 1]")
    return shares


def _levels(values: np.ndarray, shares: np.ndarray, *, clova: bool) -> _Levels:
    """Count how many distinct thresholds each pixel exceeds."""
    if clova:
        scaled = values * values.dtype.type(255)
        grey = scaled.astype(np.uint8)
        distinct, which = np.unique((shares * grey.max()).astype(np.int64), return_inverse=True)
        table = np.searchsorted(distinct, np.arange(256), side="left").astype(np.uint8)
        return _Levels(np.take(table, grey), (scaled * 256).astype(np.uint32), len(distinct), which)
    top = max(values.max(), values.dtype.type(0))
    distinct, which = np.unique(shares.astype(values.dtype) * top, return_inverse=True)
    counts = np.searchsorted(distinct, values, side="left").astype(np.uint32)
    fine = np.clip(values, 0, None) * (len(distinct) * 256 / max(float(top), 1e-30))
    heights = counts << np.uint32(8) | (fine.astype(np.uint32) & np.uint32(255))
    kind = np.uint8 if len(distinct) < 256 else np.uint32
    return _Levels(counts.astype(kind), heights, len(distinct), which)


def _largest(levels: _Levels, area: str, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """Threshold and inclusive box of the largest region of each threshold that has one."""
    regions = components_above(
        levels.counts,
        levels.heights,
        levels.distinct,
        connectivity=connectivity,
        areas=area == "polygon",
    )
    if area == "polygon":
        rows = largest_outlines(regions, levels.counts)
    else:
        order = np.lexsort((-regions.first, regions.size, regions.threshold))
        rows = order[_last_of_each(regions.threshold[order])]
    return regions.threshold[rows], regions.box[rows]


def _last_of_each(sorted_values: np.ndarray) -> np.ndarray:
    """Positions of the last of each run of equal values."""
    return np.flatnonzero(
        np.append(
            sorted_values[1:] != sorted_values[:-1], np.ones(min(1, len(sorted_values)), bool)
        )
    )


def _all_contours(levels: _Levels, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """Threshold and inclusive box of every region, then of every hole with the pixels round it."""
    distinct = levels.distinct
    outer = components_above(levels.counts, levels.heights, distinct, connectivity=connectivity)
    lowest = levels.heights.max() - levels.heights
    below = levels.counts.dtype.type(distinct) - levels.counts
    inner = _inside(components_above(below, lowest, distinct, connectivity=4), below.shape)
    threshold = np.concatenate([outer.threshold, distinct - 1 - inner.threshold])
    box = np.concatenate([outer.box, inner.box + np.array([-1, -1, 1, 1])])
    order = np.argsort(threshold, kind="stable")
    return threshold[order], box[order]


def _inside(regions: Components, shape: tuple[int, ...]) -> Components:
    """Only the regions that do not touch the border: of what is below a threshold, the holes."""
    x0, y0, x1, y1 = regions.box.T
    keep = (x0 > 0) & (y0 > 0) & (x1 < shape[1] - 1) & (y1 < shape[0] - 1)
    columns = (regions.threshold, regions.box, regions.first, regions.size, regions.holes)
    return Components(*(column[keep] for column in columns))


def _in_convention(inclusive: np.ndarray, convention: str, shape: tuple[int, ...]) -> np.ndarray:
    """Corners as the convention writes them."""
    if convention == "inclusive":
        return inclusive.astype(np.float32)
    boxes = inclusive + np.array([0, 0, 1, 1])
    if convention == "clova":
        boxes = np.minimum(boxes, np.array([shape[1], shape[0]] * 2) - 1)
    return boxes.astype(np.float32)


def _spread(boxes: np.ndarray, threshold: np.ndarray, levels: _Levels) -> ThresholdBoxes:
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
