"""Foregrounds on other backgrounds: the hole is filled, the foreground replaces what lies there."""

__all__ = [
    "FILLS",
    "Nested",
    "background_of",
    "composite",
    "dilated",
    "filled_boxes",
    "nested_masks",
    "refined",
]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, max_pool2d

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Images
from figureground.metrics.faithfulness.imputation import linear_imputation

Fill = Literal["impute", "tile", "mean", "grey"]
FILLS: tuple[str, ...] = get_args(Fill)
"""Ways to fill the hole of an object."""

_TOLERANCE = 1e-4  # of pixel values
_COARSE, _LARGE = 4, 128  # an image of 224 x 224 takes a CPU core 4 ms instead of 21
_OUTER, _RING, _ERODED = 0.06, 0.10, 0.03  # shares of the shorter side
_FEWEST_RING = 8


@dataclass(frozen=True, eq=False)
class Nested:
    """Three masks of the same objects, each inside the next.

    Args:
        inner: Too small on purpose: what it leaves out is what a network that reads the background would read.
        given: As annotated.
        outer: The annotation and 6 % of the shorter side around it.
    """

    inner: Bool[Tensor, "N H W"]
    given: Bool[Tensor, "N H W"]
    outer: Bool[Tensor, "N H W"]


@checked
def composite(
    images: Images, masks: Bool[Tensor, "N H W"] | Float[Tensor, "N H W"], backgrounds: Images
) -> Images:
    """Every image's foreground in its place on another background: replaced, never added.

    Args:
        images: ``(N, C, H, W)``, with the foregrounds.
        masks: True, or a share in [0, 1], on the foreground.
        backgrounds: Same shape, their own objects filled.

    Returns:
        ``M x + (1 - M) g``.

    Raises:
        ShapeError: The sizes differ.

    References:
        Xiao, Engstrom, Ilyas, Madry (2021). Noise or Signal: The Role of Image Backgrounds in Object Recognition.
        ICLR, arXiv 2006.09994.

    Examples:
        >>> image, other = torch.full((1, 1, 1, 2), 0.2), torch.full((1, 1, 1, 2), 0.7)
        >>> composite(image, torch.tensor([[[True, False]]]), other).flatten().tolist()
        [0.20000000298023224, 0.699999988079071]
    """
    if images.shape != backgrounds.shape or masks.shape != (len(images), *images.shape[2:]):
        raise ShapeError(
            f"images {tuple(images.shape)}, masks {tuple(masks.shape)} and backgrounds "
            f"{tuple(backgrounds.shape)} do not go together"
        )
    at = masks[:, None]
    return (
        torch.where(at, images, backgrounds)
        if masks.dtype == torch.bool
        else backgrounds + at.to(images.dtype) * (images - backgrounds)
    )


@checked
def background_of(
    images: Images, removed: Bool[Tensor, "N H W"], *, fill: str = "impute"
) -> Images:
    """Images without their objects.

    Args:
        images: ``(N, C, H, W)`` in [0, 1].
        removed: Where the object is, with a margin; one hole at least as large as the object.
        fill: ``impute``: every pixel the mean of its neighbours, from 128 pixels a side on those of a quarter of the
            resolution, which is nearly the same, since what is imputed is smooth;
            ``tile``: the largest full strip beside the hole, repeated over it (ImageNet-9's Only-BG-T);
            ``mean``: the mean colour of what is kept; ``grey``: 0.5.

    Returns:
        Same shape; what is kept is unchanged. An image that is removed altogether becomes grey.

    Raises:
        OptionError: There is no such fill.
        ShapeError: The masks do not fit.

    References:
        Xiao et al. (2021), arXiv 2006.09994 (tile); Rong et al. (2022), arXiv 2202.00449 (impute).

    Examples:
        >>> image = torch.tensor([[[[0.0, 0.9, 1.0]]]])
        >>> background_of(
        ...     image, torch.tensor([[[False, True, False]]]), fill="mean"
        ... ).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    if removed.shape != (len(images), *images.shape[2:]):
        raise ShapeError(f"masks {tuple(removed.shape)} do not fit images {tuple(images.shape)}")
    if fill not in FILLS:
        raise OptionError(f"no fill '{fill}'; there are {', '.join(FILLS)}")
    whole = removed.flatten(1).all(1)[:, None, None, None]
    if fill == "tile":
        filled = torch.stack([_tiled(x, r) for x, r in zip(images, removed, strict=True)])
    else:
        kept = (~removed[:, None]).to(images.dtype)
        mean = (images * kept).sum((2, 3), keepdim=True) / kept.sum((2, 3), keepdim=True)
        filled = {
            "impute": lambda: _imputed(images, removed),
            "mean": lambda: mean.expand_as(images),
            "grey": lambda: torch.full_like(images, 0.5),
        }[fill]()
    filled = torch.where(whole, torch.full_like(images, 0.5), filled)
    return torch.where(removed[:, None], filled, images)


def _imputed(images: Tensor, removed: Tensor) -> Tensor:
    """Holes filled; those of large images by a small one, whose pixels are means of what is kept."""
    sides = images.shape[2:]
    if min(sides) < _LARGE:
        return linear_imputation(images, removed, tolerance=_TOLERANCE)
    small = (sides[0] // _COARSE, sides[1] // _COARSE)
    kept = (~removed[:, None]).to(images.dtype)
    known = adaptive_avg_pool2d(kept, small)
    means = adaptive_avg_pool2d(images * kept, small) / known.clamp_min(1e-6)
    filled = linear_imputation(means, known[:, 0] == 0, tolerance=_TOLERANCE)
    return interpolate(filled, sides, mode="bilinear", align_corners=False)


@checked
def dilated(masks: Bool[Tensor, "N H W"], pixels: int) -> Bool[Tensor, "N H W"]:
    """Masks and all that lies at most so many rows and columns away.

    Args:
        masks: ``(N, H, W)``.
        pixels: Not negative.

    Returns:
        Masks that hold the given ones.

    Raises:
        OptionError: ``pixels`` is negative.

    Examples:
        >>> dilated(torch.tensor([[[False, False, True, False]]]), 1).tolist()
        [[[False, True, True, True]]]
    """
    if pixels < 0:
        raise OptionError(f"pixels must not be negative, got {pixels}")
    if pixels == 0 or masks.numel() == 0:
        return masks.clone()
    size = 2 * pixels + 1
    # down, then across: a square of 45 pixels at once would be twenty times as slow
    down = max_pool2d(masks[:, None].float(), (size, 1), 1, (pixels, 0))
    return max_pool2d(down, (1, size), 1, (0, pixels))[:, 0] > 0


@checked
def filled_boxes(
    boxes: Sequence[Real[Tensor, "_ 4"]], size: Sequence[int]
) -> Bool[Tensor, "N H W"]:
    """Masks of boxes, rounded outward; several boxes of an image are one mask.

    Args:
        boxes: For each image, xyxy pixels, half-open.
        size: Height and width.

    Returns:
        One mask an image.

    Raises:
        ShapeError: Something is no list of boxes, a corner is not finite, or the size is none.

    Examples:
        >>> filled_boxes([torch.tensor([[0.4, 0, 1.2, 1]])], (2, 3)).tolist()
        [[[True, True, False], [False, False, False]]]
    """
    if not all(bool(own.double().isfinite().all()) for own in boxes):
        raise ShapeError("corners of boxes must be finite numbers")
    if len(size) != 2 or min(size) < 0:
        raise ShapeError(f"size is height and width, not {tuple(size)}")
    found = torch.zeros(len(boxes), *size, dtype=torch.bool)
    for one, own in zip(found, boxes, strict=True):
        for x0, y0, x1, y1 in own.tolist():
            rows = slice(max(0, math.floor(y0 + 1e-4)), math.ceil(y1 - 1e-4))
            one[rows, max(0, math.floor(x0 + 1e-4)) : math.ceil(x1 - 1e-4)] = True
    return found


@checked
def nested_masks(
    images: Images, masks: Bool[Tensor, "N H W"], *, exact: Bool[Tensor, " N"]
) -> Nested:
    """A tighter and a wider mask beside each annotation.

    A box holds background, and a network that was trained on swapped boxes reads that: a tighter mask exposes it.

    Args:
        images: ``(N, C, H, W)`` in [0, 1].
        masks: The annotation, boxes as filled rectangles.
        exact: Which follow the outline of the object: these are eroded by 3 % of the shorter side, boxes are refined
            by colour.

    Returns:
        ``inner`` within ``given`` within ``outer``.

    Raises:
        ShapeError: The sizes differ.
    """
    side = min(masks.shape[1:])
    outer = dilated(masks, max(1, round(_OUTER * side)))
    inner = masks.clone()
    if (~exact).any():
        inner[~exact] = refined(images[~exact], masks[~exact])
    if exact.any():
        inner[exact] = _eroded(masks[exact], max(1, round(_ERODED * side)))
    return Nested(inner, masks, outer)


@checked
def refined(images: Images, boxes: Bool[Tensor, "N H W"]) -> Bool[Tensor, "N H W"]:
    """Pixels of boxes that do not have the colours of what surrounds the box.

    Mean and covariance of the colours of a ring (10 % of the shorter side) around the box; the Mahalanobis distance of
    each pixel of the box; Otsu's threshold of these distances.

    Args:
        images: ``(N, C, H, W)`` in [0, 1].
        boxes: Filled boxes.

    Returns:
        Masks within the boxes; the box itself where the ring has fewer than eight pixels or all distances are equal.

    Raises:
        ShapeError: The sizes differ.

    References:
        Otsu (1979). A threshold selection method from gray-level histograms. IEEE Trans. SMC 9.
    """
    ring = dilated(boxes, max(1, round(_RING * min(boxes.shape[1:])))) & ~boxes
    return torch.stack(
        [_unlike_ring(x, b, r) for x, b, r in zip(images, boxes, ring, strict=True)]
        or [boxes.new_zeros(boxes.shape[1:])]
    )[: len(boxes)]


def _unlike_ring(image: Tensor, box: Tensor, ring: Tensor) -> Tensor:
    """One image."""
    if int(ring.sum()) < _FEWEST_RING or int(box.sum()) < 2:
        return box.clone()
    around, inside = image[:, ring].double().T, image[:, box].double().T
    spread = torch.cov(around.T).reshape(image.shape[0], -1)
    spread = spread + 1e-3 * torch.eye(image.shape[0], dtype=torch.float64, device=image.device)
    apart = inside - around.mean(0)
    distance = (apart * torch.linalg.solve(spread, apart.T).T).sum(1).clamp_min(0).sqrt()
    found = torch.zeros_like(box)
    found[box] = distance > _otsu(distance)
    return found if found.any() else box.clone()


def _otsu(values: Tensor) -> Tensor:
    """The value that splits all others into two groups whose means lie furthest apart."""
    ordered = values.sort().values
    count, sums = len(ordered), ordered.cumsum(0)
    below = torch.arange(1, count, device=values.device)
    low, high = sums[:-1] / below, (sums[-1] - sums[:-1]) / (count - below)
    return ordered[(below * (count - below) * (low - high).square()).argmax()]


def _eroded(masks: Tensor, pixels: int) -> Tensor:
    """Masks without their border; as they are where nothing would remain."""
    smaller = ~dilated(~masks, pixels)
    return torch.where(smaller.flatten(1).any(1)[:, None, None], smaller, masks)


def _tiled(image: Tensor, removed: Tensor) -> Tensor:
    """The largest of the four strips beside the hole, repeated over it."""
    if not removed.any() or removed.all():
        return image
    rows, columns = removed.any(1).nonzero().flatten(), removed.any(0).nonzero().flatten()
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    strips = (image[:, :top], image[:, bottom:], image[:, :, :left], image[:, :, right:])
    strip = max(strips, key=lambda one: one.shape[1] * one.shape[2])
    if strip.numel() == 0:  # the hole touches all four borders
        return image[:, ~removed].mean(1)[:, None, None].expand_as(image)
    times = (1, -(-image.shape[1] // strip.shape[1]), -(-image.shape[2] // strip.shape[2]))
    tiles = strip.repeat(*times)
    return torch.roll(tiles, (top, left), (1, 2))[:, : image.shape[1], : image.shape[2]]
