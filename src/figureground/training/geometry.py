"""Random cuts and mirror images, drawn for each picture and applied to the whole batch at once."""

__all__ = ["apply_geometry", "draw_geometry"]

import torch
import torch.nn.functional as F
from torch import Tensor

from figureground.base.batch import Geometry


def draw_geometry(count: int, *, pad: int, mirror: bool, generator: torch.Generator) -> Geometry:
    """A cut of the padded picture and a coin for mirroring it, for each of ``count`` pictures.

    Args:
        count: N.
        pad: Pixels added on every side; cuts start anywhere from 0 to ``2 · pad``.
        mirror: Whether half of the pictures are mirrored.
        generator: Where the numbers come from.

    Returns:
        The geometry, on the generator's device.
    """
    device = generator.device
    offsets = torch.randint(0, 2 * pad + 1, (2, count), generator=generator, device=device)
    coins = torch.rand(count, generator=generator, device=device) < (0.5 if mirror else 0.0)
    return Geometry(offsets[0], offsets[1], coins, pad)


def apply_geometry(images: Tensor, geometry: Geometry) -> Tensor:
    """Cut and mirror each picture as drawn; pixels from outside it are zero.

    Args:
        images: ``(N, C, H, W)`` of any type.
        geometry: One cut for each.

    Returns:
        ``(N, C, H, W)``.

    Examples:
        >>> picture = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> one = torch.tensor([1])
        >>> apply_geometry(picture, Geometry(one, one, torch.tensor([True]), 1)).tolist()
        [[[[1.0, 0.0], [3.0, 2.0]]]]
    """
    n, channels, h, w = images.shape
    padded = F.pad(images, [geometry.pad] * 4)
    device = images.device
    columns = torch.arange(w, device=device).expand(n, w)
    columns = torch.where(geometry.mirrored.to(device)[:, None], columns.flip(1), columns)
    rows = torch.arange(h, device=device) + geometry.top.to(device)[:, None]
    columns = columns + geometry.left.to(device)[:, None]
    picture = torch.arange(n, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[None, :, None, None]
    return padded[picture, channel, rows[:, None, :, None], columns[:, None, None, :]]
