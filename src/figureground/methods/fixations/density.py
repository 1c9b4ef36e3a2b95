"""From points to a map, a box, and points with company."""

__all__ = ["fixation_heatmap", "remove_outliers"]

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from figureground.base.errors import OptionError


def remove_outliers(
    yx: Int[Tensor, "P 2"], size: tuple[int, int], *, radius: float = 0.1, share: float = 0.05
) -> Bool[Tensor, " P"]:
    """Which points have company.

    Args:
        yx: Rows and columns, pixels.
        size: Height and width of the image, pixels.
        radius: How near company is, as a fraction of the image's diagonal.
        share: A point is kept when more than this share of all points, itself included, is nearer
            than the radius. So fewer than 20 points are all kept by default.

    Returns:
        True for the points to keep. *Differs:* where no point has company, all are kept.

    References:
        Mopuri, Garg and Babu (2018), arXiv 1708.06670.

    Examples:
        >>> import torch
        >>> crowd = torch.tensor([[5, 5]] * 40 + [[90, 90]])
        >>> remove_outliers(crowd, (100, 100)).tolist().count(False)
        1
    """
    near = radius * math.hypot(*size)
    places, where, times = torch.unique(yx, dim=0, return_inverse=True, return_counts=True)
    exact, counts = places.double(), times.double()
    rows = max(1, 2**22 // max(1, len(places)))
    company = [(torch.cdist(part, exact) < near).double() @ counts for part in exact.split(rows)]
    kept = torch.cat(company)[where] > share * len(yx) if company else where.bool()
    return kept if kept.any() else torch.ones_like(kept)


def fixation_heatmap(
    yx: Int[Tensor, "P 2"], size: tuple[int, int], *, sigma: float = 20.0
) -> Float[Tensor, "H W"]:
    """Points per pixel, blurred with a Gaussian.

    Args:
        yx: Rows and columns, pixels.
        size: Height and width of the map, pixels.
        sigma: Standard deviation in pixels of an image of 224×224; it grows with the diagonal.

    Returns:
        ``(H, W)`` float32, at least 0, sums to about the number of points (not exactly: at the
        borders the image is mirrored). The kernel is as wide as the largest odd number of pixels
        in the shorter side.

    Raises:
        OptionError: Sigma is not positive.

    References:
        Mopuri, Garg and Babu (2018), arXiv 1708.06670. *Differs:* not scaled to a maximum of 255.

    Examples:
        >>> import torch
        >>> fixation_heatmap(torch.tensor([[1, 1]]), (3, 3), sigma=20.0)[1].argmax().item()
        1
    """
    if not sigma > 0:
        raise OptionError(f"sigma is a number of pixels above 0, not {sigma}")
    counts = torch.zeros(size, device=yx.device)
    ones = torch.ones(len(yx), device=yx.device)
    counts.index_put_((yx[:, 0], yx[:, 1]), ones, accumulate=True)
    radius = (min(size) - 1) // 2
    deviation = sigma * math.hypot(*size) / math.hypot(224, 224)
    down, across = (_blur(length, radius, deviation).to(yx.device) for length in size)
    return down @ counts @ across.T


def _blur(length: int, radius: int, deviation: float) -> Tensor:
    """The (length, length) matrix of a Gaussian blur with mirrored borders, edge pixel not doubled."""
    taps = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-taps.square() / (2 * deviation**2))
    source = torch.arange(length)[:, None] + taps.long()
    source = (length - 1) - ((length - 1) - source.abs()).abs()
    matrix = torch.zeros(length, length, dtype=torch.float64)
    spread = (weights / weights.sum()).expand(length, -1)
    return matrix.scatter_add_(1, source, spread).float()
