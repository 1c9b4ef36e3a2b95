"""Where the mass of maps lies, against masks. Shown beside an intervention; never a verdict."""

__all__ = ["mass_inside", "rank_inside"]

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Maps


@checked
def mass_inside(maps: Maps, masks: Bool[Tensor, "N H W"]) -> Float[Tensor, " N"]:
    """Share of a map's positive mass that lies on the object.

    Args:
        maps: ``(N, H, W)`` at the size of the masks; negative values count as 0.
        masks: True on the object.

    Returns:
        In [0, 1]; a uniform map has the object's share of the image. NaN for a map without positive mass.

    Raises:
        ShapeError: The sizes differ.

    References:
        Wang et al. (2020), Score-CAM, arXiv 1910.01279 (energy-based pointing game); Arras, Osman, Samek (2022),
        CLEVR-XAI, arXiv 2003.07258 (relevance mass accuracy).

    Examples:
        >>> mass_inside(torch.tensor([[[3.0, 1.0]]]), torch.tensor([[[True, False]]])).item()
        0.75
    """
    _fit(maps, masks)
    mass = maps.double().clamp_min(0)
    total = mass.sum((1, 2))
    return ((mass * masks).sum((1, 2)) / total).masked_fill(total <= 0, torch.nan).float()


@checked
def rank_inside(maps: Maps, masks: Bool[Tensor, "N H W"]) -> Float[Tensor, " N"]:
    """Of as many of the highest pixels as the object has: the share that lies on the object.

    Args:
        maps: ``(N, H, W)`` at the size of the masks.
        masks: True on the object.

    Returns:
        In [0, 1]. NaN for a constant map or an empty mask. Ties go to the first in reading order.

    Raises:
        ShapeError: The sizes differ.

    References:
        Arras, Osman, Samek (2022), arXiv 2003.07258 (relevance rank accuracy).

    Examples:
        >>> rank_inside(
        ...     torch.tensor([[[3.0, 1.0, 2.0]]]), torch.tensor([[[True, True, False]]])
        ... ).item()
        0.5
    """
    _fit(maps, masks)
    values, inside = maps.flatten(1), masks.flatten(1)
    size = inside.sum(1)
    order = values.argsort(dim=1, descending=True, stable=True)
    counted = inside.gather(1, order).double().cumsum(1)
    at = counted.gather(1, (size - 1).clamp_min(0)[:, None])[:, 0]
    blank = (values.amax(1) == values.amin(1)) | (size == 0)
    return (at / size).masked_fill(blank, torch.nan).float()


def _fit(maps: Tensor, masks: Tensor) -> None:
    if maps.shape != masks.shape:
        raise ShapeError(f"maps {tuple(maps.shape)} and masks {tuple(masks.shape)} differ")
