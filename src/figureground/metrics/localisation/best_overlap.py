"""For each image and threshold, the best overlap of a box of the map with a true box."""

__all__ = ["CLOVA", "CLOVA_V2", "BoxRule", "best_overlaps", "default_thresholds"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from figureground.base.errors import MapError, ShapeError
from figureground.maps.boxes import Shares, boxes_from_map
from figureground.metrics.localisation.overlap import iou


@dataclass(frozen=True)
class BoxRule:
    """How boxes are cut from a map and compared.

    Args:
        multi: All contours rather than the largest.
        area: What "largest" means: "polygon" or "pixels".
        convention: "clova", "inclusive" or "half-open"; the true boxes are read as inclusive pixels with the
            first two, and as half-open with the last.
    """

    multi: bool = False
    area: str = "polygon"
    convention: str = "clova"


CLOVA = BoxRule()
CLOVA_V2 = BoxRule(multi=True)


def default_thresholds(step: float = 0.01) -> Float[np.ndarray, " T"]:
    """The usual shares of the maximum: 0, step, 2 step, ... below 1.

    Args:
        step: Distance of two thresholds.

    Returns:
        The shares, float64.

    Examples:
        >>> default_thresholds(0.25).tolist()
        [0.0, 0.25, 0.5, 0.75]
    """
    return np.arange(0, 1, step)


def best_overlaps(
    maps: Float[Tensor, "N H W"] | Float[np.ndarray, "N H W"],
    true_boxes: Sequence[Shaped[Tensor, "_ 4"]],
    *,
    thresholds: Shares,
    rule: BoxRule = CLOVA,
) -> Float[Tensor, "N T"]:
    """Best intersection over union for each image at each threshold.

    Everything that boxes can say follows from this table: an image is a hit at overlap 0.5 and threshold j where
    ``best_overlaps(...)[:, j] >= 0.5``. Whose maps they are does not matter.

    Args:
        maps: One map an image, at the size that the true boxes refer to; for the "clova"
            convention normalised to [0, 1].
        true_boxes: For each image its boxes, xyxy in pixels, at least one.
        thresholds: Shares of each map's maximum, in [0, 1].
        rule: How boxes are cut and compared.

    Returns:
        Overlaps in [0, 1], (N, T).

    Raises:
        MapError: A map cannot be boxed, with its position.
        ShapeError: There are not as many lists of boxes as maps, or one is empty.

    References:
        Choe et al. (2020). Evaluating Weakly Supervised Object Localization Methods Right. CVPR,
        section 3.2, arXiv 2001.07437.

    Examples:
        >>> one_map = torch.zeros(1, 6, 8)
        >>> one_map[0, 1:4, 2:6] = 1
        >>> best_overlaps(one_map, [torch.tensor([[2.0, 1, 6, 4]])], thresholds=[0.0, 0.5])
        tensor([[1., 1.]])
    """
    if len(maps) != len(true_boxes):
        raise ShapeError(f"{len(maps)} maps but {len(true_boxes)} lists of true boxes")
    rows = [
        _one(maps[position], boxes, (position, thresholds, rule))
        for position, boxes in enumerate(true_boxes)
    ]
    return torch.stack(rows) if rows else torch.zeros(0, len(thresholds))


def _one(
    one_map: Tensor | np.ndarray,
    true_boxes: Tensor,
    asked: tuple[int, Shares, BoxRule],
) -> Tensor:
    """Best overlap at each threshold for one image."""
    position, thresholds, rule = asked
    if len(true_boxes) == 0:
        raise ShapeError(f"image {position} has no true box; leave such images out")
    try:
        cut = boxes_from_map(
            one_map, thresholds, multi=rule.multi, area=rule.area, convention=rule.convention
        )
    except MapError as error:
        raise MapError(f"map {position}: {error}") from error
    reading = "half-open" if rule.convention == "half-open" else "inclusive"
    overlap = iou(cut.boxes, true_boxes, convention=reading).amax(1)
    return torch.zeros(len(thresholds)).scatter_reduce(0, cut.threshold, overlap, "amax")
