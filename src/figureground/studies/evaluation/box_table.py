"""Overlap with the true boxes at all thresholds, for the largest region and for all contours."""

__all__ = ["BOX_RULES", "BoxTable", "box_table"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import unknown_option
from figureground.maps.boxes import boxes_from_map
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

    Equal to ``best_overlaps`` with both rules. For ``clova`` the boxes of a map that comes several times in a
    row, as a baseline does, are cut once.

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
    """The box of the largest region at each threshold, and all contours' boxes with their thresholds."""

    largest: np.ndarray
    boxes: np.ndarray
    threshold: np.ndarray


def _cut(one_map: np.ndarray, shares: np.ndarray) -> _Cut:
    """The published rule: 256 levels, strictly above, 8 neighbours, holes are contours too."""
    largest = boxes_from_map(one_map, shares)
    every = boxes_from_map(one_map, shares, multi=True)
    boxes = [some.boxes.numpy().astype(np.float64) for some in (largest, every)]
    return _Cut(*boxes, every.threshold.numpy())


def _best(cut: _Cut, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best overlap at each threshold: of the largest region, and of all contours."""
    single = _overlaps(cut.largest, truth)
    multi = single.copy()
    np.maximum.at(multi, cut.threshold, _overlaps(cut.boxes, truth))
    return single, multi


def _overlaps(boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Best intersection over union of each box with a true one, in inclusive pixels."""
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    shared = np.maximum(high - low + 1, 0).prod(-1)
    areas = [(some[:, 2:] - some[:, :2] + 1).prod(-1) for some in (boxes, truth)]
    return np.asarray((shared / (areas[0][:, None] + areas[1][None] - shared)).max(1))
