"""Maps read as relevance: an order of pixels, or a soft mask."""

__all__ = ["is_blank", "on_pixels", "pixel_ranks", "soft_masks"]

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Images, Maps
from figureground.maps.post_processing import is_constant, normalise, resize


@checked
def is_blank(maps: Maps) -> Bool[Tensor, " N"]:
    """Which maps tell nothing: constant, or not finite somewhere.

    Args:
        maps: ``(N, h, w)``.

    Returns:
        ``(N,)``. The metrics of such a map are NaN, never a number that looks like a result.

    Examples:
        >>> is_blank(torch.tensor([[[1.0, 1.0]], [[0.0, 1.0]], [[0.0, torch.nan]]])).tolist()
        [True, False, True]
    """
    return is_constant(maps) | ~maps.isfinite().all(-1).all(-1)


def on_pixels(maps: Maps, images: Images) -> Float[Tensor, "N H W"]:
    """Maps at the size of their images, bilinear.

    Args:
        maps: ``(N, h, w)``.
        images: ``(N, C, H, W)``.

    Returns:
        ``(N, H, W)``, float32, on the device of the images. A map that is not finite becomes zeros;
        ask ``is_blank`` first.

    Raises:
        ShapeError: There are not as many maps as images.
    """
    if len(maps) != len(images):
        raise ShapeError(f"{len(images)} images need {len(images)} maps, not {len(maps)}")
    usable = maps.detach().to(images.device).float()
    finite = usable.isfinite().all(-1).all(-1)[:, None, None]
    size = (images.shape[-2], images.shape[-1])
    return resize(torch.where(finite, usable, torch.zeros_like(usable)), size)


@checked
def soft_masks(maps: Maps, images: Images) -> Float[Tensor, "N H W"]:
    """Maps as masks: at image size, lowest value 0, highest 1.

    Args:
        maps: ``(N, h, w)``, raw or normalised.
        images: ``(N, C, H, W)``.

    Returns:
        ``(N, H, W)`` in [0, 1]; zeros for a blank map.
    """
    return normalise(on_pixels(maps, images))


@checked
def pixel_ranks(maps: Maps, images: Images) -> Int[Tensor, "N H W"]:
    """How many pixels of the same image are more relevant than each one.

    Equal values keep the order of reading (left to right, top to bottom), so the ranks are the same
    on every machine and after every strictly increasing change of the values at image size.

    Args:
        maps: ``(N, h, w)``; resized bilinearly where they are not at image size.
        images: ``(N, C, H, W)``.

    Returns:
        ``(N, H, W)``: 0 for the most relevant pixel, ``H * W - 1`` for the least.

    Examples:
        >>> maps = torch.tensor([[[0.1, 0.7], [0.7, 0.9]]])
        >>> pixel_ranks(maps, torch.zeros(1, 3, 2, 2)).tolist()
        [[[3, 1], [2, 0]]]
    """
    sized = on_pixels(maps, images)
    order = sized.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).reshape(sized.shape)
