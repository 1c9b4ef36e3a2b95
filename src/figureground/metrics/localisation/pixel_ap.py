"""PxAP: average precision of a map's pixels as a detector of the object's pixels."""

__all__ = ["IGNORED", "pixel_average_precision", "pixel_histograms"]


import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import DataError, MapError, ShapeError
from figureground.maps.boxes import Shares

IGNORED = 255


@checked
def pixel_histograms(
    maps: Float[Tensor, "N H W"] | Float[np.ndarray, "N H W"],
    masks: Shaped[Tensor, "N H W"],
    *,
    thresholds: Shares,
) -> Int[Tensor, "N 2 bins"]:
    """How many pixels of object and background lie between each threshold and the next.

    Args:
        maps: Normalised to [0, 1], at the masks' size.
        masks: 1 on the object, 0 on the background, 255 where a pixel is not to be judged.
        thresholds: Rising, from 0 and below 1.

    Returns:
        Counts, (N, 2, T + 1): object first, then background; the last bin holds the scores of exactly 1, as in the
        published code. Their sum over images is all that ``pixel_average_precision`` needs; single rows serve
        intervals.

    Raises:
        MapError: A map is not finite or not in [0, 1].
        ShapeError: Sizes differ, the thresholds do not rise from 0 to below 1, or a mask holds another value.

    Examples:
        >>> one_map, mask = torch.tensor([[[0.9, 0.2]]]), torch.tensor([[[1, 0]]])
        >>> pixel_histograms(one_map, mask, thresholds=[0.0, 0.5]).tolist()
        [[[0, 1, 0], [1, 0, 0]]]
    """
    scores = torch.as_tensor(maps).double()
    edges = _edges(thresholds)
    _check(scores, masks)
    count = len(edges)
    bins = torch.bucketize(scores, edges, right=True) - 1
    image = torch.arange(len(scores), device=scores.device)[:, None, None]
    place = (image * 2 + (masks != 1)) * count + bins
    found = torch.bincount(place[masks != IGNORED], minlength=len(scores) * 2 * count)
    return found.reshape(-1, 2, count)


@checked
def pixel_average_precision(histograms: Int[Tensor, "2 bins"]) -> float:
    """Area under precision over recall, precision taken at the right end of each step.

    Args:
        histograms: Counts of object and background pixels between the thresholds, summed over images.

    Returns:
        Average precision in [0, 1]; higher is better. A constant map has the object's share of the pixels.

    Raises:
        DataError: There is no object pixel.

    References:
        Choe et al. (2020). Evaluating Weakly Supervised Object Localization Methods Right. CVPR, section
        3.2, equations 3 and 4, arXiv 2001.07437. *Differs:* the published code gives per cent.

    Examples:
        >>> pixel_average_precision(torch.tensor([[0, 3], [5, 0]]))
        1.0
    """
    above = histograms.double().flip(1).cumsum(1)
    objects, background = above[0], above[1]
    if objects[-1] == 0:
        raise DataError("no object pixel in any mask: pixel average precision is not defined")
    precision = objects / (objects + background).clamp_min(1)
    gained = torch.diff(objects, prepend=objects.new_zeros(1)) / objects[-1]
    return float((precision * gained).sum())


def _edges(thresholds: Shares) -> Tensor:
    """Left ends of the bins."""
    edges = torch.as_tensor(np.asarray(thresholds, dtype=np.float64))
    rising = edges.ndim == 1 and len(edges) > 0 and bool((edges.diff() > 0).all())
    if not rising or edges[0] != 0 or edges[-1] >= 1:
        raise ShapeError("thresholds must begin at 0, rise and stay below 1")
    return torch.cat([edges, edges.new_ones(1)])


def _check(scores: Tensor, masks: Tensor) -> None:
    """Refuse maps that are not scores in [0, 1] and masks that are not masks."""
    if scores.shape != masks.shape:
        raise ShapeError(
            f"maps {tuple(scores.shape)} and masks {tuple(masks.shape)} differ in size"
        )
    fine = ((scores >= 0) & (scores <= 1)).flatten(1).all(1)
    if not fine.all():
        where = (~fine).nonzero()[:10, 0].tolist()
        raise MapError(f"maps {where} are not finite or not in [0, 1]")
    if not ((masks == 0) | (masks == 1) | (masks == IGNORED)).all():
        raise ShapeError("a mask may hold 0, 1 and 255 only")
