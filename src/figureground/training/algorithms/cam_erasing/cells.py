"""Neighbours of Random Erasing that erase cells of a grid."""

__all__ = ["grid_mask", "hide_and_seek"]

import torch
from jaxtyping import Bool
from torch import Tensor

from figureground.training.algorithms.cam_erasing.options import ErasingOptions


def hide_and_seek(
    count: int, size: tuple[int, int], options: ErasingOptions, *, generator: torch.Generator
) -> Bool[Tensor, "N H W"]:
    """Cells of a grid, each hidden by chance.

    Args:
        count: N.
        size: Height and width of the images.
        options: ``p`` of an image, ``hidden`` of a cell, range of its side ``cell``.
        generator: Where the numbers come from.

    Returns:
        True where a pixel is hidden.

    References:
        Kumar Singh, Lee (2017). Hide-and-Seek. ICCV, arXiv:1704.04232.
    """
    device = generator.device
    sides, used = _sides(count, options, generator)
    most = -(-max(size) // options.cell[0])
    coins = torch.rand(count, most, most, generator=generator, device=device) < options.hidden
    down, across = (torch.arange(side, device=device) // sides[:, None] for side in size)
    image = torch.arange(count, device=device)[:, None, None]
    return coins[image, down[:, :, None], across[:, None, :]] & used


def grid_mask(
    count: int, size: tuple[int, int], options: ErasingOptions, *, generator: torch.Generator
) -> Bool[Tensor, "N H W"]:
    """One square in each cell of a grid that begins anywhere; not turned.

    Args:
        count: N.
        size: Height and width of the images.
        options: ``p`` of an image, share ``hidden`` of a cell's side, range of that side ``cell``.
        generator: Where the numbers come from.

    Returns:
        True where a pixel is hidden.

    References:
        Chen et al. (2020). GridMask data augmentation, arXiv:2001.04086; its kept ratio is ``1 - hidden``.
    """
    device = generator.device
    sides, used = _sides(count, options, generator)
    squares = (sides * options.hidden).round().long()[:, None]
    starts = torch.rand(2, count, generator=generator, device=device) * sides
    inside = [
        (torch.arange(side, device=device) + start.long()[:, None]) % sides[:, None] < squares
        for side, start in zip(size, starts, strict=True)
    ]
    return inside[0][:, :, None] & inside[1][:, None, :] & used


def _sides(
    count: int, options: ErasingOptions, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Side of each image's cells, and whether anything is hidden, ``(N, 1, 1)``."""
    device = generator.device
    coins = torch.rand(count, 1, 1, generator=generator, device=device)
    low, high = options.cell
    sides = torch.randint(low, high + 1, (count,), generator=generator, device=device)
    return sides, coins < options.p
