"""Its transforms of tokens to a grid; accepted by every class here, and needed by none."""

__all__ = [
    "fasterrcnn_reshape_transform",
    "swinT_reshape_transform",
    "vit_reshape_transform",
]

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def fasterrcnn_reshape_transform(x: Mapping[str, Tensor]) -> Tensor:
    """Levels of a feature pyramid as maps of one size.

    Args:
        x: Name -> ``(N, C, h, w)``; ``pool`` among them has the size that all get.

    Returns:
        Absolute values, ``(N, channels of all levels, h, w)``.
    """
    size = x["pool"].shape[2:]
    return torch.cat([interpolate(one.abs(), size, mode="bilinear") for one in x.values()], 1)


def vit_reshape_transform(tensor: Tensor, height: int = 14, width: int = 14) -> Tensor:
    """Patch tokens after the class token as maps.

    Args:
        tensor: ``(N, 1 + height * width, C)``.
        height: Of the grid.
        width: Of the grid.

    Returns:
        ``(N, C, height, width)``.
    """
    return swinT_reshape_transform(tensor[:, 1:], height, width)


def swinT_reshape_transform(tensor: Tensor, height: int = 7, width: int = 7) -> Tensor:
    """Tokens as maps.

    Args:
        tensor: ``(N, height * width, C)``.
        height: Of the grid.
        width: Of the grid.

    Returns:
        ``(N, C, height, width)``.
    """
    return tensor.mT.reshape(len(tensor), tensor.shape[-1], height, width)
