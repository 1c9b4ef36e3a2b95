"""Maps brought to another size, with the pixel grid stated."""

__all__ = ["RESIZINGS", "resize"]

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from figureground.base.errors import ShapeError, unknown_option
from figureground.base.shapes import MapStack


def resize(
    maps: MapStack, size: tuple[int, int], *, how: str = "bilinear"
) -> Float[Tensor, "... H W"]:
    """Maps at the asked size; nothing is clamped or normalised.

    Pixel ``i`` of the result looks at ``(i + 0.5) * in / out - 0.5`` of the input (half-pixel
    centres, corners not aligned, the border repeated). ``tf1`` looks at ``i * in / out`` instead:
    the grid of TensorFlow 1, needed to repeat numbers of papers that used it. On it, a 7 x 7 map
    laid on 224 x 224 pixels sits 15.5 pixels too far to the top left.

    Args:
        maps: ``(..., h, w)``. Not changed.
        size: Height and width of the result, in pixels.
        how: ``bilinear``; ``cubic`` (Keys' kernel with a = -0.75, which may overshoot the range of
            the input); ``nearest``; ``tf1`` (bilinear on the shifted grid).

    Returns:
        ``(..., H, W)``, same type.

    Raises:
        OptionError: ``how`` is unknown.
        ShapeError: One of the sizes is not positive.

    References:
        Keys (1981), Cubic convolution interpolation for digital image processing, IEEE TASSP 29(6),
        eq. 15.

    Examples:
        >>> resize(torch.tensor([[0.0, 1.0]]), (1, 4)).tolist()
        [[0.0, 0.25, 0.75, 1.0]]
        >>> resize(torch.tensor([[0.0, 1.0]]), (1, 4), how="tf1").tolist()
        [[0.0, 0.5, 1.0, 1.0]]
    """
    way = _chosen(how)
    height, width = size
    if min(height, width, *maps.shape[-2:]) < 1:
        raise ShapeError(f"cannot resize maps of shape {tuple(maps.shape)} to {height} x {width}")
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    if flat.shape[0] == 0:
        return maps.new_zeros(*maps.shape[:-2], height, width)
    return way(flat, (height, width)).reshape(*maps.shape[:-2], height, width)


def _chosen(how: str) -> Callable[[Tensor, tuple[int, int]], Tensor]:
    """The way to resize of this name, or an error that lists them."""
    if how not in RESIZINGS:
        raise unknown_option("way to resize", how, RESIZINGS)
    return RESIZINGS[how]


def _bilinear(flat: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(flat, size, mode="bilinear", align_corners=False)


def _cubic(flat: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(flat, size, mode="bicubic", align_corners=False)


def _nearest(flat: Tensor, size: tuple[int, int]) -> Tensor:
    # 'nearest-exact' has half-pixel centres; plain 'nearest' has the shifted grid
    return interpolate(flat, size, mode="nearest-exact")


def _tf1(flat: Tensor, size: tuple[int, int]) -> Tensor:
    rows = _lerp_last(flat.transpose(-2, -1), size[0]).transpose(-2, -1)
    return _lerp_last(rows, size[1])


def _lerp_last(values: Tensor, length: int) -> Tensor:
    """Linear interpolation of the last axis at ``i * in / out``, its end repeated."""
    given = values.shape[-1]
    steps = torch.arange(length, device=values.device)
    # whole-number arithmetic: a position such as 3 * (2 / 6) must be 1, not 0.99999994
    left = steps * given // length
    share = (steps * given % length).to(values.dtype) / length
    return torch.lerp(values[..., left], values[..., (left + 1).clamp(max=given - 1)], share)


RESIZINGS: dict[str, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "bilinear": _bilinear,
    "cubic": _cubic,
    "nearest": _nearest,
    "tf1": _tf1,
}
