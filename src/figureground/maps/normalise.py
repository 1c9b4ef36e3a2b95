"""Raw maps to comparable maps: values in [0, 1], one map at a time."""

__all__ = ["NORMALISATIONS", "is_constant", "normalise"]

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from figureground.base.errors import MapError, OptionError, ShapeError, unknown_option
from figureground.base.shapes import MapStack

_NAMED_AT_MOST = 8


def normalise(
    maps: MapStack, *, how: str = "minmax", relu: bool = False, on_blank: str = "raise"
) -> MapStack:
    """Maps on a common scale; every map of the stack is scaled by itself.

    - ``minmax``: lowest value to 0, highest to 1.
    - ``max``: divided by the largest absolute value, so zero stays zero; the result is in [-1, 1],
      or in [0, 1] with ``relu``.
    - ``none``: as they came (after ``relu``).

    A constant map has no scale and becomes zeros under ``minmax``; so does a zero map under
    ``max``. Nothing is reported here: ask ``diagnose`` which maps are blank before showing them.

    Args:
        maps: Raw scores, ``(..., h, w)``. Not changed.
        how: ``minmax``, ``max`` or ``none``.
        relu: Set negative values to zero first, as Grad-CAM does.
        on_blank: What becomes of maps that hold NaN or infinity: ``raise`` refuses them, ``zeros``
            turns the whole map into zeros.

    Returns:
        Scaled maps of the same shape and type.

    Raises:
        OptionError: ``how`` or ``on_blank`` is unknown.
        MapError: A map holds NaN or infinity and ``on_blank`` is ``raise``; the message names such
            maps by their leading indices.
        ShapeError: The maps have no positions.

    Examples:
        >>> normalise(torch.tensor([[-1.0, 0.0], [1.0, 3.0]])).tolist()
        [[0.0, 0.25], [0.5, 1.0]]
        >>> normalise(torch.tensor([[-1.0, 0.0], [1.0, 4.0]]), how="max", relu=True).tolist()
        [[0.0, 0.0], [0.25, 1.0]]
    """
    scale = _chosen(how)
    if on_blank not in {"raise", "zeros"}:
        raise OptionError(f"no on_blank '{on_blank}'; known: raise, zeros")
    if maps.shape[-2] * maps.shape[-1] == 0:
        raise ShapeError(f"maps without positions cannot be normalised: shape {tuple(maps.shape)}")
    usable = _finite(maps, on_blank)
    return scale(usable.relu() if relu else usable)


def is_constant(maps: MapStack) -> Bool[Tensor, "..."]:
    """Which maps have the same value everywhere, up to rounding.

    Rounding is taken as 16 times the type's machine epsilon, times the largest absolute value.

    Args:
        maps: ``(..., h, w)``.

    Returns:
        One truth value per map, ``(...)``; False for a map with NaN.

    Examples:
        >>> is_constant(torch.tensor([[[2.0, 2.0]], [[2.0, 2.1]]])).tolist()
        [True, False]
    """
    low, high = _range(maps)
    return _no_span(low, high)[..., 0, 0]


def _chosen(how: str) -> Callable[[Tensor], Tensor]:
    """The normalisation of this name, or an error that lists them."""
    if how not in NORMALISATIONS:
        raise unknown_option("normalisation", how, NORMALISATIONS)
    return NORMALISATIONS[how]


def _finite(maps: Tensor, on_blank: str) -> Tensor:
    """The maps, with those that hold NaN or infinity refused or zeroed."""
    finite = maps.isfinite().all(-1).all(-1)
    if bool(finite.all()):
        return maps
    if on_blank == "zeros":
        return torch.where(finite[..., None, None], maps, torch.zeros_like(maps))
    bad = [tuple(index) for index in (~finite).nonzero().tolist()]
    shown = ", ".join(map(str, bad[:_NAMED_AT_MOST])) + (", …" if len(bad) > _NAMED_AT_MOST else "")
    raise MapError(
        f"{len(bad)} of {finite.numel()} maps hold NaN or infinity, at {shown}; "
        "pass on_blank='zeros' to draw them as zeros"
    )


def _minmax(maps: Tensor) -> Tensor:
    low, high = _range(maps)
    span = high - low
    constant = _no_span(low, high)
    return ((maps - low) / torch.where(constant, 1, span)).masked_fill(constant, 0)


def _by_largest(maps: Tensor) -> Tensor:
    largest = maps.abs().amax((-2, -1), keepdim=True)
    return maps / torch.where(largest == 0, 1, largest)


def _unchanged(maps: Tensor) -> Tensor:
    return maps


def _range(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest value of every map, ``(..., 1, 1)``."""
    return maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)


def _no_span(low: Tensor, high: Tensor) -> Tensor:
    # rounding noise of a constant map must not be stretched to the full scale
    largest = torch.maximum(low.abs(), high.abs())
    return (high - low) <= 16 * torch.finfo(low.dtype).eps * largest


NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "minmax": _minmax,
    "max": _by_largest,
    "none": _unchanged,
}
