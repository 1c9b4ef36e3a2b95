"""Removed pixels filled from what surrounds them, all images and masks at once."""

__all__ = ["linear_imputation"]

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Images

_MAX_ITERATIONS = 200
_CPU_BLOCK = 2**18
_DAMPING = 0.8
_COARSEST_SWEEPS = 6


@checked
def linear_imputation(
    images: Images, removed: Bool[Tensor, "N H W"], *, tolerance: float = 1e-6
) -> Images:
    """Every removed pixel becomes the weighted mean of its eight neighbours, removed ones included.

    Weights are 1/6 for the four next to it and 1/12 for the four diagonal ones; at a border those
    that exist are scaled up to a sum of 1. That is one linear system per image, symmetric and
    positive definite; all of them are solved together, without a matrix, by conjugate gradients
    with one multigrid cycle as preconditioner.

    Args:
        images: ``(N, C, H, W)``. Not changed.
        removed: ``(N, H, W)``, True where a value is wanted; the old one is not looked at.
        tolerance: Where to stop: root mean square residual of the equations, in pixel values. At
            224 x 224 with 90 % removed, 1e-6 leaves an error of about 1e-4 and takes 15 rounds.

    Returns:
        Images of the same shape; filled values lie within the range of the kept ones of their
        channel. An image that is removed altogether becomes zeros.

    Raises:
        ShapeError: The masks do not fit the images.
        OptionError: The tolerance is not positive.

    References:
        Rong et al. (2022), A consistent and efficient evaluation strategy for attribution methods
        (ROAD), sec. 4.2, arXiv:2202.00449. *Differs:* solved in batch, to a tolerance.

    Examples:
        >>> image = torch.tensor([[[[0.0, 9.0, 1.0]]]])
        >>> filled = linear_imputation(image, torch.tensor([[[False, True, False]]]))
        >>> round(filled[0, 0, 0, 1].item(), 4)
        0.5
    """
    if removed.shape != (len(images), *images.shape[-2:]):
        raise ShapeError(f"masks {tuple(removed.shape)} do not fit images {tuple(images.shape)}")
    if tolerance <= 0:
        raise OptionError(f"tolerance must be positive, not {tolerance}")
    # a CPU is twice as fast on what fits into its cache; other devices want everything at once
    block = len(images) if images.is_cuda else max(1, _CPU_BLOCK // max(1, images[:1].numel()))
    parts = zip(torch.split(images, block or 1), torch.split(removed, block or 1), strict=True)
    return torch.cat([_imputed(some, masks[:, None], tolerance) for some, masks in parts])


def _imputed(images: Tensor, removed: Tensor, tolerance: float) -> Tensor:
    """One block of images."""
    unknown = removed.to(images.dtype)
    known_sum = unknown * _neighbours(images.masked_fill(removed, 0))
    return torch.where(removed, _solve(known_sum, _levels(unknown), tolerance), images)


@dataclass(frozen=True)
class _Level:
    """The equations on one grid: what is unknown, and the weight of its neighbours."""

    unknown: Tensor
    weight: Tensor
    damped: Tensor

    def apply(self, values: Tensor) -> Tensor:
        """Left-hand side of the system; ``values`` are zero where nothing is unknown."""
        return self.unknown * (self.weight * values - _neighbours(values))

    def smooth(self, values: Tensor, right: Tensor) -> Tensor:
        """One damped Jacobi sweep."""
        return values + self.damped * (right - self.apply(values))


def _neighbours(values: Tensor) -> Tensor:
    """Weighted sum over the eight neighbours, nothing beyond the border."""
    # [1 2 1] down, [1 2 1] across, less the middle: ten times a 3 x 3 convolution's speed on a CPU
    padded = pad(values, (1, 1, 1, 1))
    down = padded[..., :-2, :] + padded[..., 2:, :]
    down.add_(padded[..., 1:-1, :], alpha=2)
    across = down[..., :-2] + down[..., 2:]
    across.add_(down[..., 1:-1], alpha=2)
    return across.div_(12).sub_(values, alpha=1 / 3)


def _levels(unknown: Tensor) -> list[_Level]:
    """The grid and its halvings; a coarse position is unknown where all its four pixels are."""
    grids = []
    while True:
        weight = _neighbours(torch.ones_like(unknown[:1]))
        grids.append(_Level(unknown, weight, _DAMPING / weight))
        if min(unknown.shape[-2:]) < 4:
            return grids
        unknown = (_block_sums(unknown) == 4).to(unknown.dtype)


def _block_sums(values: Tensor) -> Tensor:
    """Sums over blocks of 2 x 2; an odd border is padded with zeros."""
    height, width = values.shape[-2:]
    return 4 * avg_pool2d(pad(values, (0, width % 2, 0, height % 2)), 2)


def _cycle(right: Tensor, levels: list[_Level]) -> Tensor:
    """One multigrid V-cycle from zero; symmetric, as conjugate gradients need."""
    level = levels[0]
    values = level.damped * right  # the first sweep, from zero
    if len(levels) == 1:
        for _ in range(_COARSEST_SWEEPS):
            values = level.smooth(values, right)
        return values
    left_over = levels[1].unknown * _block_sums(right - level.apply(values))
    coarse = _cycle(left_over, levels[1:])
    spread = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)
    values = values + spread[..., : right.shape[-2], : right.shape[-1]]
    return level.smooth(values, right)


def _solve(right: Tensor, levels: list[_Level], tolerance: float) -> Tensor:
    """Preconditioned conjugate gradients; every image and channel is a system by itself."""
    values = torch.zeros_like(right)
    allowed = tolerance**2 * levels[0].unknown.sum((-2, -1), keepdim=True)
    residual, direction, slope = right, torch.zeros_like(right), torch.ones_like(allowed)
    for _ in range(_MAX_ITERATIONS):
        open_systems = _dot(residual, residual) > allowed
        if not bool(open_systems.any()):
            break
        wanted = _cycle(residual, levels)
        new_slope = _dot(residual, wanted)
        direction = wanted + _ratio(new_slope, slope) * direction
        slope = new_slope
        pushed = levels[0].apply(direction)
        # a system that is done stands still: further steps would only add rounding
        step = _ratio(slope, _dot(direction, pushed)) * open_systems
        values = values + step * direction
        residual = residual - step * pushed
    return values


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum((-2, -1), keepdim=True)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """Quotient, zero where there is nothing to divide by."""
    return torch.where(below > 0, above / torch.where(below > 0, below, 1), torch.zeros_like(below))
