"""Maps drawn where they lie in a larger picture: a network's view of a photo, on the photo."""

__all__ = ["Window", "place", "seen_part"]

import math
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import MapStack

Window: TypeAlias = tuple[float, float, float, float]
"""Where a map lies in a picture: x0, y0, x1, y1 in pixels of the picture; beyond its edges where the map does."""


@checked
def place(maps: MapStack, window: Window, size: tuple[int, int]) -> Float[Tensor, "... H W"]:
    """Maps at the size of a picture that they cover a part of.

    A pixel of the picture looks where its centre lies in the map, between four cells (half-pixel centres, as
    `resize`); a pixel outside the window takes the value of the nearest edge of the map. With a window of the whole
    picture this is `resize`.

    Args:
        maps: ``(..., h, w)``. Not changed.
        window: Where the maps lie: x0, y0, x1, y1 in pixels of the picture.
        size: Height and width of the picture.

    Returns:
        ``(..., H, W)``, same type.

    Raises:
        ShapeError: A size is not positive, or the window has no area.

    Examples:
        >>> place(torch.tensor([[0.0, 1.0]]), (2.0, 0.0, 6.0, 1.0), (1, 8)).tolist()
        [[0.0, 0.0, 0.0, 0.25, 0.75, 1.0, 1.0, 1.0]]
    """
    height, width = size
    if min(height, width, *maps.shape[-2:]) < 1:
        raise ShapeError(f"cannot place maps of shape {tuple(maps.shape)} in {height} x {width}")
    x0, y0, x1, y1 = _checked_window(window)
    rows = _shares(maps.shape[-2], (y0, y1), height).to(maps)
    columns = _shares(maps.shape[-1], (x0, x1), width).to(maps)
    return rows @ maps @ columns.T


@checked
def seen_part(window: Window, size: tuple[int, int], *, margin: float = 0) -> Bool[Tensor, "H W"]:
    """Which pixels of a picture lie in a window, by their centres.

    Args:
        window: x0, y0, x1, y1 in pixels of the picture.
        size: Height and width of the picture.
        margin: Pixels that the window is wider at each side.

    Returns:
        ``(H, W)``.

    Raises:
        ShapeError: The window has no area.

    Examples:
        >>> seen_part((1.0, 0.0, 2.6, 1.0), (1, 4)).tolist()
        [[False, True, True, False]]
    """
    x0, y0, x1, y1 = _checked_window(window)
    rows, columns = torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5
    inside_rows = (rows >= y0 - margin) & (rows < y1 + margin)
    return inside_rows[:, None] & (columns >= x0 - margin) & (columns < x1 + margin)


def _checked_window(window: Window) -> Window:
    """Refuse a window without an area."""
    x0, y0, x1, y1 = window
    if not math.isfinite(x0 + y0 + x1 + y1) or x1 <= x0 or y1 <= y0:
        raise ShapeError(f"a window is x0, y0, x1, y1 with x0 < x1 and y0 < y1, not {window}")
    return window


def _shares(cells: int, ends: tuple[float, float], pixels: int) -> Tensor:
    """What each pixel takes of each cell along an axis, ``(pixels, cells)``: two neighbours in the rule."""
    start, stop = ends
    # double: a pixel far from the left edge of a wide photo must not move
    centres = torch.arange(pixels, dtype=torch.double) + 0.5
    position = ((centres - start) / (stop - start) * cells - 0.5).clamp(0, cells - 1)
    return (1 - (position[:, None] - torch.arange(cells)).abs()).clamp(min=0)
