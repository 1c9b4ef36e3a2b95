"""Its transforms of tokens to a grid; accepted by every class here, and needed by none."""

__all__ = ["swinT_reshape_transform", "vit_reshape_transform"]

from torch import Tensor


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
