"""Where a map lies: its mass on the object, and beyond what a map without any knowledge would have outside."""

__all__ = ["excess_outside", "mass_inside", "rank_accuracy"]

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.shapes import Maps


@checked
def mass_inside(maps: Maps, masks: Bool[Tensor, "N h w"]) -> Float[Tensor, " N"]:
    """Share of a map's positive mass that lies on the object.

    Args:
        maps: ``(N, h, w)`` at the size of the masks; negative values count as zero.
        masks: True on the object.

    Returns:
        In [0, 1]; a uniform map has the object's share of the image. NaN for a map without a positive value, or with
        one that is not finite: it lies nowhere.

    References:
        Arras, Osman, Samek (2022). CLEVR-XAI. Information Fusion 81, arXiv 2003.07258: relevance mass accuracy. Wang et
        al. (2020). Score-CAM, arXiv 1910.01279: the same, as the energy-based pointing game.

    Examples:
        >>> maps = torch.tensor([[[3.0, 1.0]], [[0.0, -1.0]]])
        >>> mass_inside(maps, torch.tensor([[[True, False]]] * 2))
        tensor([0.7500,    nan])
    """
    mass = maps.clamp_min(0).double()
    share = (mass * masks).sum((1, 2)) / mass.sum((1, 2))
    return share.masked_fill(~maps.isfinite().all(-1).all(-1), torch.nan).float()


@checked
def rank_accuracy(maps: Maps, masks: Bool[Tensor, "N h w"]) -> Float[Tensor, " N"]:
    """Share of a map's highest pixels, as many as the object has, that lie on the object.

    Args:
        maps: ``(N, h, w)`` at the size of the masks; negative values count as zero.
        masks: True on the object.

    Returns:
        In [0, 1]. Where pixels of one value compete for the last places, each counts by its chance of one, so that a
        uniform map has the object's share of the image. NaN for a map without a positive value, or with one that is not
        finite, and where the mask is empty.

    References:
        Arras, Osman, Samek (2022). CLEVR-XAI. Information Fusion 81, arXiv 2003.07258: relevance rank accuracy.
        *Differs:* ties count by their chance.

    Examples:
        >>> maps = torch.tensor([[[4.0, 3.0, 1.0, 0.0]]])
        >>> rank_accuracy(maps, torch.tensor([[[True, False, True, False]]]))
        tensor([0.5000])
    """
    mass, inside = maps.clamp_min(0).flatten(1), masks.flatten(1)
    count = inside.sum(1)
    least = mass.new_zeros(len(mass), 1)
    for place, one, own in zip(least, mass.nan_to_num(), count.tolist(), strict=True):
        place[0] = one.kthvalue(len(one) - max(own, 1) + 1).values  # ten times faster than to sort
    above, equal = mass > least, mass == least
    left = (count - above.sum(1)).double() / equal.sum(
        1
    )  # chance of a pixel that has the last value
    found = (above & inside).sum(1) + left * (equal & inside).sum(1)
    nowhere = ~maps.flatten(1).isfinite().all(1) | (mass.amax(1) <= 0)
    return (found / count).masked_fill(nowhere, torch.nan).float()


@checked
def excess_outside(maps: Maps, masks: Bool[Tensor, "N h w"]) -> Float[Tensor, " N"]:
    """How much more of a map's mass lies outside the object than of a uniform map's.

    Args:
        maps: ``(N, h, w)`` at the size of the masks; negative values count as zero.
        masks: True on the object.

    Returns:
        The object's share of the image less ``mass_inside``, in [-1, 1]; 0 for a uniform map, NaN for one that lies
        nowhere.

    Examples:
        >>> excess_outside(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[False, True]]]))
        tensor([0.5000])
    """
    return masks.double().mean((1, 2)).float() - mass_inside(maps, masks)
