"""The boxes of a map at many thresholds at once, by the published rules, exactly."""

__all__ = ["AREAS", "CONVENTIONS", "Shares", "ThresholdBoxes", "boxes_from_map"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.errors import MapError, OptionError, unknown_option
from figureground.maps.component_tree import build_component_tree
from figureground.maps.levels import MapLevels, map_levels
from figureground.maps.regions import every_region, largest_outlines, largest_regions

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
