"""Overlap with the true boxes at all thresholds, for the largest region and for all contours."""

__all__ = ["BOX_RULES", "BoxTable", "box_table"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import unknown_option
from figureground.maps.boxes import ThresholdBoxes, boxes_from_map
from figureground.metrics.localisation.best_overlap import CLOVA, CLOVA_V2, BoxRule

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

    Examples:
        >>> import torch
        >>> one_map = torch.zeros(1, 6, 8)
        >>> one_map[0, 1:4, 2:6] = 1
        >>> box = [torch.tensor([[2.0, 1, 6, 4]])]
        >>> box_table(one_map, box, shares=np.array([0.0, 0.5]), rule="pixels").single.tolist()
        [[1.0, 1.0]]
    """  # noqa: DOC501 - unknown_option makes an OptionError
    if rule not in BOX_RULES:
        raise unknown_option("box rule", rule, BOX_RULES)
    arrays = maps.cpu().numpy()
    table = np.zeros((2, len(arrays), len(shares)), np.float32)
    cuts: list[ThresholdBoxes] = []
    for at, true in enumerate(boxes):
        # baselines are the same map for every image: its boxes are cut once
        if not cuts or not np.array_equal(arrays[at], arrays[at - 1]):
            cuts = [_cut(arrays[at], shares, one) for one in BOX_RULES[rule]]
        truth = true.cpu().double().numpy() - np.array([0, 0, 1, 1])
        table[:, at] = [_best(cut, truth, len(shares)) for cut in cuts]
    return BoxTable(table[0], table[1])


def _cut(one_map: np.ndarray, shares: np.ndarray, rule: BoxRule) -> ThresholdBoxes:
    """Boxes of one map at all thresholds."""
    return boxes_from_map(
        one_map, shares, multi=rule.multi, area=rule.area, convention=rule.convention
    )


def _best(cut: ThresholdBoxes, truth: np.ndarray, count: int) -> np.ndarray:
    """Best overlap at each threshold, (T,), in inclusive pixels."""
    found = cut.boxes.numpy().astype(np.float64)
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(found[:, None, 2:], truth[None, :, 2:])
    shared = np.maximum(high - low + 1, 0).prod(-1)
    areas = [(some[:, 2:] - some[:, :2] + 1).prod(-1) for some in (found, truth)]
    overlap = (shared / (areas[0][:, None] + areas[1][None] - shared)).max(1)
    best = np.zeros(count)
    np.maximum.at(best, cut.threshold.numpy(), overlap)
    return best
