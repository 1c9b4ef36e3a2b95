"""The part of a map that lies over the image, where a network looks at more or at less than that."""

__all__ = ["cut_out"]

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from figureground.base.checking import checked
from figureground.base.shapes import MapsPerClass


@checked
def cut_out(maps: MapsPerClass, frame: tuple[float, float, float, float]) -> MapsPerClass:
    """Maps that cover the image and nothing else, with as many cells as before.

    Args:
        maps: Raw scores ``(N, K, h, w)`` over what the network looked at.
        frame: Top, left, bottom and right of the image within that, as fractions of it; outside [0, 1] where the
            network cut something off the image.

    Returns:
        ``(N, K, h, w)``: bilinear between the centres of the cells; zero where the network did not look.

    Examples:
        >>> padded = torch.tensor([[[[1.0, 3.0, 0.0, 0.0]]]])  # the image is the left half
        >>> cut_out(padded, (0.0, 0.0, 1.0, 0.5)).tolist()
        [[[[1.0, 1.5, 2.5, 2.25]]]]
    """
    h, w = maps.shape[-2:]
    top, left, bottom, right = frame
    ys, xs = _centres((top, bottom), h, maps), _centres((left, right), w, maps)
    points = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1], -1)
    points = points.expand(len(maps), -1, -1, -1)
    looked = ((points.abs() <= 1).all(-1))[:, None]
    found = grid_sample(maps, points, padding_mode="border", align_corners=False)
    return found * looked


def _centres(ends: tuple[float, float], count: int, like: Tensor) -> Tensor:
    """Centres of cells between two fractions, in [-1, 1]."""
    first, last = ends
    fractions = (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count
    return 2 * (first + (last - first) * fractions) - 1
