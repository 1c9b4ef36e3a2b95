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
    """  # noqa: DOC501 - unknown_option makes an OptionError
    if rule not in BOX_RULES:
        raise unknown_option("box rule", rule, BOX_RULES)
    inclusive = [some.cpu().double() - torch.tensor([0.0, 0, 1, 1]) for some in boxes]
    if rule != "clova":
        tables = [
            best_overlaps(maps, inclusive, thresholds=shares, rule=one) for one in BOX_RULES[rule]
        ]
        return BoxTable(*(table.numpy() for table in tables))
    arrays = maps.cpu().numpy()
    table = np.zeros((2, len(arrays), len(shares)), np.float32)
    cut: _Cut | None = None
    for at, truth in enumerate(inclusive):
        # baselines are the same map for every picture: its regions are found once
        if cut is None or not np.array_equal(arrays[at], arrays[at - 1]):
            cut = _cut(arrays[at], shares)
        table[:, at] = _best(cut, truth.numpy())
    return BoxTable(table[0], table[1])


@dataclass(frozen=True, eq=False)
class _Cut:
    """All boxes of a map, sorted by nothing: their levels, which are the largest regions, and each share's level."""

    boxes: np.ndarray
    level: np.ndarray
    largest: np.ndarray
    which: np.ndarray


def _cut(one_map: np.ndarray, shares: np.ndarray) -> _Cut:
    """The published rule: 256 levels, strictly above, 8 neighbours, holes are contours too."""
    scaled = one_map * one_map.dtype.type(255)
    grey = scaled.astype(np.uint8)
    levels, which = np.unique((shares * grey.max()).astype(np.int64), return_inverse=True)
    table = np.searchsorted(levels, np.arange(256), side="left").astype(np.uint8)
    counts, heights = np.take(table, grey), (scaled * 256).astype(np.uint32)
    outer = components_above(counts, heights, len(levels), areas=True)
    largest = largest_outlines(outer, counts)
    level, boxes = outer.threshold, outer.box
    if outer.holes.any():
        more_levels, more_boxes = _holes(counts, heights, len(levels))
        level, boxes = np.concatenate([level, more_levels]), np.concatenate([boxes, more_boxes])
    limit = np.array([grey.shape[1], grey.shape[0]] * 2) - 1
    generous = np.minimum(boxes + np.array([0, 0, 1, 1]), limit).astype(np.float64)
    return _Cut(generous, level, largest, which)


def _best(cut: _Cut, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best overlap at each threshold: of the largest region, and of all contours."""
    overlap = _overlaps(cut.boxes, truth)
    # where no region is left the box is 0 0 0 0
    single = np.full(cut.which.max() + 1, _overlaps(np.zeros((1, 4)), truth)[0])
    single[cut.level[cut.largest]] = overlap[cut.largest]
    multi = single.copy()
    np.maximum.at(multi, cut.level, overlap)
    return single[cut.which], multi[cut.which]


def _holes(counts: np.ndarray, heights: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Threshold and inclusive box of every hole, with the pixels round it."""
    below = counts.dtype.type(levels) - counts
    ground = components_above(below, heights.max() - heights, levels, connectivity=4)
    x0, y0, x1, y1 = ground.box.T
    inside = (x0 > 0) & (y0 > 0) & (x1 < counts.shape[1] - 1) & (y1 < counts.shape[0] - 1)
    box = ground.box[inside] + np.array([-1, -1, 1, 1])
    return levels - 1 - ground.threshold[inside], box


def _overlaps(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Best intersection over union of each box with a true one, in inclusive pixels."""
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    shared = np.maximum(high - low + 1, 0).prod(-1)
    areas = [(some[:, 2:] - some[:, :2] + 1).prod(-1) for some in (boxes, truth)]
    return np.asarray((shared / (areas[0][:, None] + areas[1][None] - shared)).max(1))
