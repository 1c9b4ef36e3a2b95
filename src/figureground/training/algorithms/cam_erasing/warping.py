"""Maps cut and mirrored as their pictures were."""

__all__ = ["warp_maps"]

from jaxtyping import Float
from torch import Tensor

from figureground.base.batch import Geometry
from figureground.base.shapes import Maps
from figureground.maps import resize
from figureground.training.geometry import apply_geometry


def warp_maps(
    maps: Maps, geometry: Geometry | None, size: tuple[int, int]
) -> Float[Tensor, "N H W"]:
    """Maps of uncut pictures brought to the pictures' size, then cut and mirrored with them.

    Args:
        maps: ``(N, h, w)``, of the uncut pictures.
        geometry: How each picture was cut and mirrored; None where they were not.
        size: Height and width of the pictures.

    Returns:
        ``(N, H, W)``; zero where the cut reaches beyond the picture.

    Examples:
        >>> import torch
        >>> one = torch.tensor([2]), torch.tensor([1]), torch.tensor([True])
        >>> warp_maps(torch.tensor([[[0.0, 1.0]]]), Geometry(*one, pad=1), (1, 2)).tolist()
        [[[0.0, 0.0]]]
        >>> one = torch.tensor([1]), torch.tensor([1]), torch.tensor([True])
        >>> warp_maps(torch.tensor([[[0.0, 1.0]]]), Geometry(*one, pad=1), (1, 2)).tolist()
        [[[1.0, 0.0]]]
    """
    large = maps if maps.shape[1:] == size else resize(maps, size)
    return large if geometry is None else apply_geometry(large[:, None], geometry)[:, 0]
