"""How large a rectangle is erased: the shape laws of Random Erasing."""

__all__ = ["draw_shapes"]

import math

import torch
from jaxtyping import Int
from torch import Tensor

from figureground.training.algorithms.cam_erasing.options import ErasingOptions


def draw_shapes(
    count: int, size: tuple[int, int], options: ErasingOptions, *, generator: torch.Generator
) -> Int[Tensor, "2 N"]:
    """Height and width of the rectangle of each image; zeros where nothing is erased.

    The proposals of all attempts are drawn at once, and the first that is smaller than the image both ways is taken:
    rejection sampling without a loop.

    Args:
        count: N.
        size: Height and width of the images.
        options: Chance and laws.
        generator: Where the numbers come from, and on which device.

    Returns:
        ``(2, N)`` int64.

    References:
        Zhong et al. (2020), algorithm 1, arXiv:1708.04896.

    Examples:
        >>> square = ErasingOptions(p=1.0, area=(0.25, 0.25), aspect=(1.0, 1.0))
        >>> draw_shapes(2, (8, 8), square, generator=torch.Generator()).tolist()
        [[4, 4], [4, 4]]
    """
    device = generator.device
    coins = torch.rand(count, generator=generator, device=device)
    shares, turns = torch.rand(2, count, options.attempts, generator=generator, device=device)
    low, high = options.area
    areas = (low + (high - low) * shares) * (size[0] * size[1])
    aspects = _aspects(turns, options)
    heights, widths = (areas * aspects).sqrt().round(), (areas / aspects).sqrt().round()
    fits = (heights < size[0]) & (widths < size[1])
    # argmax returns the first of equals
    first = fits.byte().argmax(1, keepdim=True)
    sides = torch.stack([heights, widths]).gather(2, first.expand(2, -1, -1))[..., 0]
    return (sides * (fits.any(1) & (coins < options.p))).long()


def _aspects(turns: Tensor, options: ErasingOptions) -> Tensor:
    """Height by width, from numbers uniform in [0, 1)."""
    low, high = options.aspect
    if options.aspect_law == "uniform":
        return low + (high - low) * turns
    return (math.log(low) + (math.log(high) - math.log(low)) * turns).exp()
