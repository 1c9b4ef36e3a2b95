"""What happens to a raw map before anything looks at it: problems found, normalised, resized."""

__all__ = [
    "NORMALISATIONS",
    "RESIZINGS",
    "MapProblem",
    "PostProcessing",
    "diagnose",
    "is_constant",
    "normalise",
    "resize",
]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from figureground.base.checking import checked
from figureground.base.errors import MapError, OptionError, ShapeError, unknown_option
from figureground.base.shapes import Maps, MapsPerClass, MapStack

_MESSAGES = {
    "non-finite": "{count} of {positions} values are NaN or infinite",
    "zero": "every value is zero: the method found no evidence for this class",
    "constant": "every value is {value:.4g}: the map does not tell one place from another",
    "negative-only": "no value is above zero (highest {value:.4g}): only evidence against",
}
_KINDS = tuple(_MESSAGES)


@dataclass(frozen=True)
class MapProblem:
    """One map that shows nothing, or nothing in favour of its class.

    Args:
        image: Position of the image in the batch.
        class_position: Position among the classes that were asked for (not a class index).
        kind: ``non-finite``, ``zero``, ``constant`` or ``negative-only``.
        message: The same in a sentence, with numbers.
    """

    image: int
    class_position: int
    kind: str
    message: str


@checked
def diagnose(maps: MapsPerClass) -> list[MapProblem]:
    """The maps of a batch that are blank or broken; an empty list where all is well.

    A map has at most one problem, the first that holds of: ``non-finite`` (NaN or infinity),
    ``zero``, ``constant`` (up to rounding), ``negative-only`` (nothing above zero, so a ReLU would
    blank it; for a signed method this may be right).

    Args:
        maps: Raw scores, ``(N, K, h, w)``.

    Returns:
        The problems, ordered by image and class.

    Examples:
        >>> maps = torch.tensor([[[[0.0, 1.0]], [[2.0, 2.0]]]])
        >>> for problem in diagnose(maps):
        ...     print(problem.image, problem.class_position, problem.kind, "-", problem.message)
        0 1 constant - every value is 2: the map does not tell one place from another
    """
    low, high = maps.amin((-2, -1)), maps.amax((-2, -1))
    unknown = (~maps.isfinite()).sum((-2, -1))
    holds = torch.stack([unknown > 0, (low == 0) & (high == 0), is_constant(maps), high <= 0])
    bad = holds.any(0)
    # read from the device once, however many maps there are
    places = bad.nonzero().tolist()
    kinds = holds.int().argmax(0)[bad].tolist()
    counts, highest = unknown[bad].tolist(), high[bad].tolist()
    positions = maps.shape[-2] * maps.shape[-1]
    return [
        MapProblem(
            image,
            position,
            _KINDS[kind],
            _MESSAGES[_KINDS[kind]].format(count=count, positions=positions, value=value),
        )
        for (image, position), kind, count, value in zip(
            places, kinds, counts, highest, strict=True
        )
    ]


_NAMED_AT_MOST = 8


@checked
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


@checked
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


@checked
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
    way = _chosen_resizing(how)
    height, width = size
    if min(height, width, *maps.shape[-2:]) < 1:
        raise ShapeError(f"cannot resize maps of shape {tuple(maps.shape)} to {height} x {width}")
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    if flat.shape[0] == 0:
        return maps.new_zeros(*maps.shape[:-2], height, width)
    return way(flat, (height, width)).reshape(*maps.shape[:-2], height, width)


def _chosen_resizing(how: str) -> Callable[[Tensor, tuple[int, int]], Tensor]:
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


_NORMALISATIONS = ("minmax", "max")


@dataclass(frozen=True)
class PostProcessing:
    """ReLU (or not), then resize, then normalise to [0, 1], in this order.

    Args:
        relu: Set negative values to zero first.
        normalise: ``minmax``, lowest value to 0, highest to 1; or ``max``, zero stays zero, for which
            ``relu`` is needed.
        resize: ``bilinear``, ``cubic``, ``nearest`` or ``tf1``.

    Raises:
        OptionError: An option is unknown, or they do not go together.

    Examples:
        >>> from figureground.maps.post_processing import PostProcessing
        >>> maps, blank = PostProcessing(relu=False)(torch.tensor([[[-1.0, 3.0]]]), (1, 2))
        >>> maps.tolist(), blank.tolist()
        ([[[0.0, 1.0]]], [False])
    """

    relu: bool = True
    normalise: str = "minmax"
    resize: str = "bilinear"

    def __post_init__(self) -> None:
        if self.normalise not in _NORMALISATIONS:
            raise unknown_option("normalisation", self.normalise, _NORMALISATIONS)
        if self.resize not in RESIZINGS:
            raise unknown_option("way to resize", self.resize, RESIZINGS)
        if self.normalise == "max" and not self.relu:
            raise OptionError(
                "normalise 'max' leaves negative values below 0; use relu with it, or 'minmax'"
            )

    def __call__(
        self, maps: Maps, size: tuple[int, int], *, ready: bool = False
    ) -> tuple[Float[Tensor, "N H W"], Bool[Tensor, " N"]]:
        """Maps in [0, 1] at the asked size, and which of them show nothing.

        Args:
            maps: Raw scores.
            size: Height and width, pixels.
            ready: They lie in [0, 1] already and are only resized.

        Returns:
            The maps, zeros where blank; and True where a map is constant or not finite.
        """
        # a sum is finite where all its terms are, and several times as fast to look at
        finite = maps.flatten(1).sum(1, dtype=torch.float64).isfinite()
        clean = maps.float()
        if not bool(finite.all()):
            clean = torch.where(finite[:, None, None], clean, 0)
        if ready:
            return clean if clean.shape[-2:] == size else resize(clean, size), ~finite
        cut = clean.relu() if self.relu else clean
        sized = resize(cut, size, how=self.resize)
        if self.relu and self.resize == "cubic":  # which overshoots below zero
            sized = sized.relu()
        return normalise(sized, how=self.normalise), is_constant(cut) | ~finite

    def __str__(self) -> str:
        scale = "min-max" if self.normalise == "minmax" else "divided by the maximum"
        return f"{'ReLU' if self.relu else 'no ReLU'}, {self.resize} to the view, {scale}"
