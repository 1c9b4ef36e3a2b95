"""Maps cropped and flipped as their images were."""

__all__ = ["warp_maps"]

from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.shapes import Maps
from figureground.maps import resize
from figureground.training.crops import CropParameters
from figureground.training.source_pixels import SourcePixels


@checked
def warp_maps(
    maps: Maps, crops: CropParameters | SourcePixels | None, size: tuple[int, int]
) -> Float[Tensor, "N H W"]:
    """Maps of whole images resized to the images' size, then moved as the images were.

    Args:
        maps: ``(N, h, w)``, of the whole images.
        crops: How the images were moved; None where they were not.
        size: Height and width of the images.

    Returns:
        ``(N, H, W)``; zero where the crop reaches beyond the image.

    Examples:
        >>> import torch
        >>> one = torch.tensor([2]), torch.tensor([1]), torch.tensor([True])
        >>> warp_maps(
        ...     torch.tensor([[[0.0, 1.0]]]), CropParameters(*one, padding=1), (1, 2)
        ... ).tolist()
        [[[0.0, 0.0]]]
        >>> one = torch.tensor([1]), torch.tensor([1]), torch.tensor([True])
        >>> warp_maps(
        ...     torch.tensor([[[0.0, 1.0]]]), CropParameters(*one, padding=1), (1, 2)
        ... ).tolist()
        [[[1.0, 0.0]]]
    """
    large = maps if maps.shape[1:] == size else resize(maps, size)
    return large if crops is None else crops.apply(large[:, None])[:, 0]
