"""Boxes from maps: the largest region above a share of the maximum; here for one share.

``boxes_from_map`` serves many shares at once, by the rule of Choe et al.
"""

__all__ = [
    "Shares",
    "ThresholdBoxes",
    "boxes_from_map",
    "largest_component_box",
]

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import MapError, OptionError, unknown_option
from figureground.base.shapes import MapStack
from figureground.maps.threshold_boxes import Shares, ThresholdBoxes, boxes_from_map


@checked
def largest_component_box(
    maps: MapStack,
    *,
    threshold_fraction: float = 0.2,
    on_blank: str = "error",
) -> Float[Tensor, "... 4"]:
    """The tight box round the largest region, by 8 neighbours, above a share of each map's maximum.

    A pixel belongs to the region where ``map > threshold_fraction * max(map)``, strictly; size is
    the number of pixels, and of equally large regions the one met first in reading order wins.

    Args:
        maps: Raw or normalised maps, any leading axes.
        threshold_fraction: Share of the maximum, in [0, 1).
        on_blank: What to do with a map that is not finite or has no positive value: raise, or
            return the empty box ``0 0 0 0``.

    Returns:
        Boxes xyxy in pixels of the map, half-open, float32, with the maps' leading axes.

    References:
        Zhou, Khosla, Lapedriza, Oliva, Torralba (2016). Learning Deep Features for Discriminative
        Localization. CVPR, section 3.2, arXiv 1512.04150: the largest region above 20 % of the maximum.

    Raises:
        MapError: A map is not finite or has no positive value, and ``on_blank`` is "error".
        OptionError: An option is out of range.

    Examples:
        >>> one_map = torch.tensor([[0.0, 0.1, 0.0], [0.0, 1.0, 0.5]])
        >>> largest_component_box(one_map).tolist()
        [1.0, 1.0, 3.0, 2.0]
    """
    _check(threshold_fraction, on_blank)
    flat = maps.detach().reshape(-1, *maps.shape[-2:]).float().cpu().numpy()
    blank = [i for i, one in enumerate(flat) if not (np.isfinite(one).all() and one.max() > 0)]
    if blank and on_blank == "error":
        raise MapError(f"no box: maps {blank[:10]} are not finite or have no positive value")
    boxes = np.zeros((len(flat), 4), dtype=np.float32)
    for i in sorted(set(range(len(flat))) - set(blank)):
        mask = flat[i] > threshold_fraction * flat[i].max()
        boxes[i] = _largest_box(mask)
    return torch.from_numpy(boxes).reshape(*maps.shape[:-2], 4)


def _check(threshold_fraction: float, on_blank: str) -> None:
    """Refuse what is not offered."""
    if on_blank not in {"error", "empty"}:
        raise unknown_option("on_blank", on_blank, ["error", "empty"])
    if not 0 <= threshold_fraction < 1:
        raise OptionError(f"threshold_fraction must lie in [0, 1), got {threshold_fraction}")


def _largest_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Half-open xyxy of the largest region of a mask that has at least one pixel."""
    from scipy import ndimage  # noqa: PLC0415 - slow to import

    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    rows, columns = ndimage.find_objects(labels)[int(sizes.argmax()) - 1]
    return columns.start, rows.start, columns.stop, rows.stop
