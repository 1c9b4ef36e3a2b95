"""How alike two maps of one image are."""

__all__ = ["pearson", "spearman", "ssim"]


import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Maps
from figureground.maps.post_processing import normalise
from figureground.metrics.faithfulness.relevance import is_blank
from figureground.metrics.faithfulness.scoring import PerImage

_SSIM_SIDE = 7


@checked
def pearson(first: Maps, second: Maps) -> PerImage:
    """Linear correlation over positions, in [-1, 1]; unchanged by scale and offset of either map.

    Args:
        first: ``(N, h, w)``.
        second: ``(N, h, w)``.

    Returns:
        ``(N,)``; NaN where a map is blank.

    Raises:
        ShapeError: The two stacks differ in shape.

    Examples:
        >>> ramp = torch.tensor([[[0.0, 1.0, 2.0]]])
        >>> round(pearson(ramp, 5 - 2 * ramp).item(), 4)
        -1.0
    """
    _check_pair(first, second)
    return _correlation(first.float(), second.float()).masked_fill(
        _no_pair(first, second), torch.nan
    )


@checked
def spearman(first: Maps, second: Maps) -> PerImage:
    """Correlation of the ranks of the positions, in [-1, 1]; equal values share their mean rank.

    Args:
        first: ``(N, h, w)``.
        second: ``(N, h, w)``.

    Returns:
        ``(N,)``; NaN where a map is blank.

    Raises:
        ShapeError: The two stacks differ in shape.

    Examples:
        >>> ramp = torch.tensor([[[0.0, 1.0, 2.0]]])
        >>> round(spearman(ramp, ramp.exp()).item(), 4)
        1.0
    """
    _check_pair(first, second)
    found = _correlation(_mean_ranks(first), _mean_ranks(second))
    return found.masked_fill(_no_pair(first, second), torch.nan)


@checked
def ssim(first: Maps, second: Maps) -> PerImage:
    """Structural similarity of the two min-max normalised maps, at most 1 (equal).

    A uniform window of 7 x 7 positions (or the largest odd one that fits), sample covariances,
    constants (0.01)^2 and (0.03)^2, mean over the windows that lie inside the map.

    Args:
        first: ``(N, h, w)``, both sides at least 3.
        second: ``(N, h, w)``.

    Returns:
        ``(N,)``; NaN where a map is blank.

    Raises:
        ShapeError: The two stacks differ in shape, or a side is below 3.

    References:
        Wang et al. (2004), Image quality assessment: from error visibility to structural
        similarity, IEEE TIP 13(4), eq. 13. *Differs:* uniform instead of Gaussian window, as
        feature maps may be 7 x 7.
    """
    _check_pair(first, second)
    side = min(_SSIM_SIDE, *((length - 1) // 2 * 2 + 1 for length in first.shape[-2:]))
    if side < 3:
        raise ShapeError(f"ssim needs maps of at least 3 x 3, not {tuple(first.shape[-2:])}")
    one, two = (normalise(maps.float(), on_blank="zeros")[:, None] for maps in (first, second))
    found = _ssim_field(one, two, side).mean((1, 2, 3))
    return found.masked_fill(_no_pair(first, second), torch.nan)


def _check_pair(first: Tensor, second: Tensor) -> None:
    """Refuse stacks that cannot be compared position by position."""
    if first.shape != second.shape:
        raise ShapeError(f"cannot compare maps {tuple(first.shape)} with {tuple(second.shape)}")


def _no_pair(first: Tensor, second: Tensor) -> Tensor:
    return is_blank(first) | is_blank(second)


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson correlation of every row; anything where a row is constant."""
    one, two = _standard(first), _standard(second)
    return (one * two).sum(1).clamp(-1, 1)


def _standard(maps: Tensor) -> Tensor:
    """Rows of mean 0 and length 1."""
    rows = maps.flatten(1)
    # first to order one, so that squares of tiny or huge raw scores stay in range
    rows = rows / rows.abs().amax(1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
    rows = rows - rows.mean(1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)


def _mean_ranks(maps: Tensor) -> Tensor:
    """Rank of every position in its map, equal values sharing their mean, centred."""
    rows = maps.flatten(1).contiguous()
    ordered = rows.sort(dim=1).values
    below = torch.searchsorted(ordered, rows)
    up_to = torch.searchsorted(ordered, rows, right=True)
    # whole numbers centred before they become float32: exact up to 2**23 positions
    return (below + up_to - rows.shape[1]).float().reshape(maps.shape)


def _ssim_field(first: Tensor, second: Tensor, side: int) -> Tensor:
    """SSIM at every place where the window lies inside the map."""
    sample = side * side / (side * side - 1)
    mean_one, mean_two = (avg_pool2d(maps, side, stride=1) for maps in (first, second))
    variance_one = sample * (avg_pool2d(first * first, side, stride=1) - mean_one**2)
    variance_two = sample * (avg_pool2d(second * second, side, stride=1) - mean_two**2)
    covariance = sample * (avg_pool2d(first * second, side, stride=1) - mean_one * mean_two)
    similarity = (2 * mean_one * mean_two + 0.01**2) * (2 * covariance + 0.03**2)
    scale = (mean_one**2 + mean_two**2 + 0.01**2) * (variance_one + variance_two + 0.03**2)
    return similarity / scale
