"""Six views of each image in one batch, and their maps averaged."""

__all__ = ["SMOOTHING_VIEWS", "smoothed", "smoothing_views"]

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.shapes import Images, MapsPerClass

_CONTRASTS = (1.0, 0.9, 1.1)
SMOOTHING_VIEWS = 2 * len(_CONTRASTS)


def smoothing_views(images: Images) -> Float[Tensor, "views c H W"]:
    """Each image at three contrasts, then the same flipped; the unchanged images come first.

    Args:
        images: ``(N, C, H, W)``.

    Returns:
        ``(6 N, C, H, W)``.
    """
    upright = torch.cat([images * contrast for contrast in _CONTRASTS])
    return torch.cat([upright, upright.flip(-1)])


def smoothed(maps: Float[Tensor, "views K h w"], count: int) -> MapsPerClass:
    """The maps of the views, flipped back and averaged.

    Args:
        maps: ``(6 N, K, h, w)`` of ``smoothing_views``.
        count: N.

    Returns:
        ``(N, K, h, w)``.
    """
    upright, flipped = maps.chunk(2)
    return torch.cat([upright, flipped.flip(-1)]).reshape(-1, count, *maps.shape[1:]).mean(0)
