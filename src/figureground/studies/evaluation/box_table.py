"""Overlap with the true boxes at all thresholds, for the largest region and for all contours, from one pass."""

__all__ = ["BOX_RULES", "BoxTable", "box_table"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import unknown_option
from figureground.maps.components import components_above
from figureground.maps.contours import largest_outlines
from figureground.metrics.localisation.best_overlap import (
    CLOVA,
    CLOVA_V2,
    BoxRule,
    best_overlaps,
)

BOX_RULES: dict[str, tuple[BoxRule, BoxRule]] = {
    "clova": (CLOVA, CLOVA_V2),
    "pixels": (
        BoxRule(area="pixels", convention="inclusive"),
        BoxRule(multi=True, area="pixels", convention="inclusive"),
    ),
}
"""Name -> how the box of the largest region is cut, and the boxes of all contours."""


@dataclass(frozen=True, eq=False)
class BoxTable:
    """Best intersection over union of each image at each threshold.

    Args:
        single: Of the box of the largest region, (N, T).
        multi: Of the best of all contours, (N, T); never below ``single`` by more than rounding.
    """

    single: Float[np.ndarray, "N T"]
    multi: Float[np.ndarray, "N T"]


def box_table(
    maps: Float[Tensor, "N H W"],
    boxes: Sequence[Tensor],
    *,
    shares: Float[np.ndarray, " T"],
    rule: str = "clova",
) -> BoxTable:
    """Both tables of a stack of maps.

    Equal to ``best_overlaps`` with both rules. For ``clova`` the regions are found once for both, and holes
    are looked for only where the count of regions and holes says that there are some: half the time.

    Args:
        maps: In [0, 1], at the size that the boxes refer to.
        boxes: For each image its boxes, xyxy pixels, half-open, at least one. (The rules compare inclusive
            pixels, so the last column and row are one less there.)
        shares: Shares of the maximum, in [0, 1).
        rule: ``clova``, the published evaluation code's; or ``pixels``, the region of most pixels, compared
            in whole pixels.

    Returns:
        The tables.

    Raises:
        OptionError: The rule is unknown.

    Example:
        >>> one_map = torch.zeros(1, 6, 8)
        >>> one_map[0, 1:4, 2:6] = 1
        >>> box = [torch.tensor([[2.0, 1, 6, 4]])]
        >>> box_table(one_map, box, shares=np.array([0.0, 0.5]), rule="pixels").single.tolist()
        [[1.0, 1.0]]
    """
    if rule not in BOX_RULES:
        raise unknown_option("box rule", rule, BOX_RULES)
    inclusive = [some.cpu().double() - torch.tensor([0.0, 0, 1, 1]) for some in boxes]
    if rule != "clova":
        tables = [
            best_overlaps(maps, inclusive, thresholds=shares, rule=one) for one in BOX_RULES[rule]
        ]
        return BoxTable(*(table.numpy() for table in tables))
    arrays = maps.cpu().numpy()
    pairs = [
        _clova(one_map, truth.numpy(), shares)
        for one_map, truth in zip(arrays, inclusive, strict=True)
    ]
    stacked = np.array(pairs, np.float32).reshape(-1, 2, len(shares))
    return BoxTable(stacked[:, 0], stacked[:, 1])


def _clova(
    one_map: np.ndarray, truth: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Best overlap at each threshold: of the largest region, and of all contours."""
    scaled = one_map * one_map.dtype.type(255)
    grey = scaled.astype(np.uint8)
    levels, which = np.unique((shares * grey.max()).astype(np.int64), return_inverse=True)
    table = np.searchsorted(levels, np.arange(256), side="left").astype(np.uint8)
    counts, heights = np.take(table, grey), (scaled * 256).astype(np.uint32)
    outer = components_above(counts, heights, len(levels), areas=True)
    overlap = _overlaps(_generous(outer.box, grey.shape), truth)
    # where no region is left the box is 0 0 0 0
    single = np.full(len(levels), _overlaps(np.zeros((1, 4)), truth)[0])
    rows = largest_outlines(outer, counts)
    single[outer.threshold[rows]] = overlap[rows]
    multi = single.copy()
    np.maximum.at(multi, outer.threshold, overlap)
    if outer.holes.any():
        threshold, box = _holes(counts, heights, len(levels))
        np.maximum.at(multi, threshold, _overlaps(_generous(box, grey.shape), truth))
    return single[which], multi[which]


def _holes(counts: np.ndarray, heights: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Threshold and inclusive box of every hole, with the pixels round it."""
    below = counts.dtype.type(levels) - counts
    ground = components_above(below, heights.max() - heights, levels, connectivity=4)
    x0, y0, x1, y1 = ground.box.T
    inside = (x0 > 0) & (y0 > 0) & (x1 < counts.shape[1] - 1) & (y1 < counts.shape[0] - 1)
    box = ground.box[inside] + np.array([-1, -1, 1, 1])
    return levels - 1 - ground.threshold[inside], box


def _generous(box: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Inclusive boxes as the published code writes them: one pixel more at the right and below."""
    limit = np.array([shape[1], shape[0]] * 2) - 1
    return np.minimum(box + np.array([0, 0, 1, 1]), limit).astype(np.float64)


def _overlaps(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Best intersection over union of each box with a true one, in inclusive pixels."""
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    shared = np.maximum(high - low + 1, 0).prod(-1)
    areas = [(some[:, 2:] - some[:, :2] + 1).prod(-1) for some in (boxes, truth)]
    return np.asarray((shared / (areas[0][:, None] + areas[1][None] - shared)).max(1))
