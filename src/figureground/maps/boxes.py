"""Boxes from maps: the largest region above a share of the maximum; here for one share.

``boxes_from_map`` serves many shares at once, by the rule of Choe et al.; ``dt_boxes`` is the rule
that the code of Zhou et al. follows.
"""

__all__ = [
    "Shares",
    "ThresholdBoxes",
    "boxes_from_map",
    "dt_boxes",
    "largest_component_box",
    "zhou_box",
]

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from figureground.base.errors import MapError, OptionError, unknown_option
from figureground.base.shapes import MapStack
from figureground.maps.threshold_boxes import Shares, ThresholdBoxes, boxes_from_map
from figureground.maps.zhou_boxes import dt_boxes

_NEIGHBOURS = {4: ndimage.generate_binary_structure(2, 1), 8: np.ones((3, 3), dtype=bool)}


def largest_component_box(
    maps: MapStack,
    *,
    threshold_fraction: float = 0.2,
    connectivity: int = 8,
    on_blank: str = "error",
) -> Float[Tensor, "... 4"]:
    """The tight box round the largest connected region above a share of each map's maximum.

    A pixel belongs to the region where ``map > threshold_fraction * max(map)``, strictly; size is
    the number of pixels, and of equally large regions the one met first in reading order wins.

    Args:
        maps: Raw or normalised maps, any leading axes.
        threshold_fraction: Share of the maximum, in [0, 1).
        connectivity: 4 or 8 neighbours.
        on_blank: What to do with a map that is not finite or has no positive value: raise, or
            return the empty box ``0 0 0 0``.

    Returns:
        Boxes xyxy in pixels of the map, half-open, float32, with the maps' leading axes.

    Raises:
        MapError: A map is not finite or has no positive value, and ``on_blank`` is "error".
        OptionError: An option is out of range.

    Examples:
        >>> one_map = torch.tensor([[0.0, 0.1, 0.0], [0.0, 1.0, 0.5]])
        >>> largest_component_box(one_map).tolist()
        [1.0, 1.0, 3.0, 2.0]
    """
    _check(threshold_fraction, connectivity, on_blank)
    flat = maps.detach().reshape(-1, *maps.shape[-2:]).float().cpu().numpy()
    blank = [i for i, one in enumerate(flat) if not (np.isfinite(one).all() and one.max() > 0)]
    if blank and on_blank == "error":
        raise MapError(f"no box: maps {blank[:10]} are not finite or have no positive value")
    boxes = np.zeros((len(flat), 4), dtype=np.float32)
    for i in sorted(set(range(len(flat))) - set(blank)):
        mask = flat[i] > threshold_fraction * flat[i].max()
        boxes[i] = _largest_box(mask, connectivity)
    return torch.from_numpy(boxes).reshape(*maps.shape[:-2], 4)


def zhou_box(maps: MapStack, fraction: float = 0.2) -> Float[Tensor, "... 4"]:
    """The box of the first paper on class activation maps: 20 % of the maximum, largest region.

    Args:
        maps: Raw or normalised maps, any leading axes.
        fraction: Share of the maximum.

    Returns:
        Boxes xyxy in pixels of the map, half-open, float32, with the maps' leading axes.

    References:
        Zhou, Khosla, Lapedriza, Oliva, Torralba (2016). Learning Deep Features for Discriminative
        Localization. CVPR, section 3.2, arXiv 1512.04150.

    Examples:
        >>> zhou_box(torch.eye(4)[None]).tolist()
        [[0.0, 0.0, 4.0, 4.0]]
    """
    return largest_component_box(maps, threshold_fraction=fraction)


def _check(threshold_fraction: float, connectivity: int, on_blank: str) -> None:
    """Refuse what is not offered."""
    if on_blank not in {"error", "empty"}:
        raise unknown_option("on_blank", on_blank, ["error", "empty"])
    if connectivity not in _NEIGHBOURS:
        raise unknown_option("connectivity", connectivity, ["4", "8"])
    if not 0 <= threshold_fraction < 1:
        raise OptionError(f"threshold_fraction must lie in [0, 1), got {threshold_fraction}")


def _largest_box(mask: np.ndarray, connectivity: int) -> tuple[int, int, int, int]:
    """Half-open xyxy of the largest region of a mask that has at least one pixel."""
    labels, _ = ndimage.label(mask, structure=_NEIGHBOURS[connectivity])
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    rows, columns = ndimage.find_objects(labels)[int(sizes.argmax()) - 1]
    return columns.start, rows.start, columns.stop, rows.stop
