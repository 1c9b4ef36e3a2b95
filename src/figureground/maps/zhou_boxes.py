"""The tight and loose boxes of the first paper on class activation maps, as its code draws them."""

__all__ = ["dt_boxes"]

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy import ndimage
from torch import Tensor

from figureground.base.errors import OptionError, unknown_option

_EIGHT = np.ones((3, 3), dtype=bool)
_ERODED = 10  # of 255 after the distances are scaled to a maximum of 255
_MARGIN = 5


def dt_boxes(
    levels: UInt8[np.ndarray, "H W"] | UInt8[Tensor, "H W"],
    thresholds: Sequence[int] = (20, 100, 110),
    *,
    merge: str = "all",
) -> Float[Tensor, "B 4"]:
    """Boxes of the slightly eroded regions at three levels, largest first, near-duplicates left out.

    At each level, pixels above it keep their Euclidean distance to the nearest pixel that is not, scaled
    to a maximum of 255; those above 10 stay. Each outer contour and each hole of what stays gives a
    box, kept 5 pixels clear of the right and bottom border. The boxes of all levels are pooled and
    sorted by area; one that shares more than half of the larger area with an earlier one is dropped.
    The first box is the paper's loose one, the second its tight one.

    *Differs:* the distance is exact, and with ``merge="all"`` every near-duplicate is dropped. The
    original erases from its list while it walks along it and so skips the element after each one that
    it drops; ``merge="compat"`` does the same.

    Args:
        levels: The map divided by its maximum, as whole numbers 0 to 255; no minimum taken off.
        thresholds: Levels, 0 to 255; the published defaults.
        merge: "all" or "compat".

    Returns:
        Boxes xyxy, half-open, (B, 4), largest first; B is 0 for an empty map.

    Raises:
        OptionError: ``merge`` is unknown, or a threshold is not in [0, 255].

    References:
        Zhou, Khosla, Lapedriza, Oliva, Torralba (2016). Learning Deep Features for Discriminative
        Localization. CVPR, arXiv 1512.04150, and its published box generator.

    Examples:
        >>> levels = np.zeros((30, 40), dtype=np.uint8)
        >>> levels[4:20, 6:26] = 120
        >>> dt_boxes(levels).tolist()
        [[6.0, 4.0, 26.0, 20.0]]
    """
    _check(merge, thresholds)
    grey = levels.cpu().numpy() if isinstance(levels, Tensor) else levels
    boxes = np.concatenate([_boxes_at(grey, threshold) for threshold in thresholds])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    boxes = boxes[np.argsort(-area, kind="stable")]
    return torch.from_numpy(_merged(boxes, merge).astype(np.float32))


def _check(merge: str, thresholds: Sequence[int]) -> None:
    """Refuse unknown options."""
    if merge not in {"all", "compat"}:
        raise unknown_option("merge", merge, ["all", "compat"])
    if not thresholds or not all(0 <= threshold <= 255 for threshold in thresholds):
        raise OptionError(f"thresholds must be levels from 0 to 255, got {list(thresholds)}")


def _boxes_at(grey: np.ndarray, threshold: int) -> np.ndarray:
    """Boxes of the contours of the eroded region at one level, (B, 4) whole numbers."""
    mask = grey > threshold
    nowhere = mask.all()  # no background: the distance has no meaning, and nothing is eroded
    distance = np.ones(mask.shape) if nowhere else ndimage.distance_transform_edt(mask)
    eroded = distance * (255 / max(float(distance.max()), 1e-9)) > _ERODED
    outer = _bounds(ndimage.label(eroded, structure=_EIGHT)[0])
    ground, _ = ndimage.label(np.pad(~eroded, 1, constant_values=True))
    holes = _bounds(np.where(ground == ground[0, 0], 0, ground)) + np.array([-2, -2, 0, 0])
    boxes = np.concatenate([outer, holes])
    limit = np.array([grey.shape[1], grey.shape[0]] * 2) - _MARGIN
    return np.maximum(np.minimum(boxes, limit), 0)


def _bounds(labels: np.ndarray) -> np.ndarray:
    """Half-open xyxy of each labelled region, (B, 4)."""
    found = [place for place in ndimage.find_objects(labels) if place is not None]
    rows = [(x.start, y.start, x.stop, y.stop) for y, x in found]
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _merged(boxes: np.ndarray, merge: str) -> np.ndarray:
    """Without the boxes that share more than half of the larger area with an earlier one."""
    kept = boxes.tolist()
    here = 0
    while here < len(kept):
        other = here + 1
        while other < len(kept):
            drop = _near_duplicate(kept[here], kept[other])
            if drop:
                del kept[other]
            other += 1 if merge == "compat" or not drop else 0
        here += 1
    return np.array(kept, dtype=np.int64).reshape(-1, 4)


def _near_duplicate(one: list[int], other: list[int]) -> bool:
    """Whether two boxes share more than half of the larger one's area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return max(0, width) * max(0, height) > max(areas) // 2
