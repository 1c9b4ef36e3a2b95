"""Quarter turns, each image by its own."""

__all__ = ["turned"]

import torch
from jaxtyping import Int
from torch import Tensor

from figureground.base.errors import ShapeError
from figureground.base.shapes import Images


def turned(images: Images, quarters: Int[Tensor, " N"]) -> Images:
    """Each image turned anticlockwise by its number of quarter turns.

    Args:
        images: Square images ``(N, C, H, H)``.
        quarters: ``(N,)``, 0 to 3.

    Returns:
        Images of the same shape.

    Raises:
        ShapeError: The images are not square.

    Examples:
        >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> turned(image, torch.tensor([1])).tolist()
        [[[[2.0, 4.0], [1.0, 3.0]]]]
    """
    if images.shape[-1] != images.shape[-2]:
        raise ShapeError(f"quarter turns need square images, got {tuple(images.shape[-2:])}")
    place = quarters.view(-1, 1, 1, 1)
    for number in (1, 2, 3):
        images = torch.where(place >= number, images.rot90(1, (2, 3)), images)
    return images
