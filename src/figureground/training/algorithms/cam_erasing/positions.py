"""Where a rectangle is erased: exactly uniform over the positions that a map allows."""

__all__ = ["box_sums", "draw_corners", "fitting_positions", "likely_positions"]

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from figureground.base.shapes import Maps
from figureground.training.algorithms.cam_erasing.options import ErasingOptions

_STEPS = 65535  # of a map between 0 and 1: sums of whole numbers are exact, so that ties are ties


def draw_corners(
    allowed: Bool[Tensor, "N H W"], *, generator: torch.Generator
) -> Int[Tensor, "2 N"]:
    """One of the allowed positions of each image, all equally likely.

    One uniform number for each image is put through the inverse of the cumulative count. That is the law of one
    multinomial draw, which would wait for the device to check its weights.

    Args:
        allowed: ``(N, H, W)``, at least one position per image.
        generator: Where the numbers come from.

    Returns:
        Row and column, ``(2, N)`` int64.

    Examples:
        >>> only = torch.zeros(1, 2, 3, dtype=torch.bool)
        >>> only[0, 1, 2] = True
        >>> draw_corners(only, generator=torch.Generator()).tolist()
        [[1], [2]]
    """
    n, _, width = allowed.shape
    running = allowed.flatten(1).cumsum(1, dtype=torch.int32)
    uniform = torch.rand(n, generator=generator, device=allowed.device)
    chosen = (uniform * running[:, -1]).to(torch.int32)
    position = torch.searchsorted(running, chosen[:, None], right=True)[:, 0]
    return torch.stack([position // width, position % width])


def fitting_positions(shapes: Int[Tensor, "2 N"], size: tuple[int, int]) -> Bool[Tensor, "N H W"]:
    """Upper left corners from which a rectangle stays inside the image.

    Args:
        shapes: Heights and widths.
        size: Of the image.

    Returns:
        ``(N, H, W)``.
    """
    down, across = (torch.arange(side, device=shapes.device) for side in size)
    rows = down <= (size[0] - shapes[0])[:, None]
    columns = across <= (size[1] - shapes[1])[:, None]
    return rows[:, :, None] & columns[:, None, :]


def likely_positions(
    maps: Maps, shapes: Int[Tensor, "2 N"], options: ErasingOptions
) -> Bool[Tensor, "N H W"]:
    """Upper left corners from which a rectangle covers what it should.

    In mode ``quantile``, ``object`` takes the positions whose score is above that of a share ``threshold`` of all, and
    ``away`` the others; ties count as others. So of a map that is mostly blank, ``object`` keeps what touches the
    object.

    Scores are compared as sums of whole numbers, the map in steps of 1/65535. Where no position passes the threshold,
    the best ones do. So under a constant map every position is allowed, and the law is that of plain random erasing.

    Args:
        maps: ``(N, H, W)`` in [0, 1], at the images' size.
        shapes: Heights and widths.
        options: Region, rule and threshold.

    Returns:
        ``(N, H, W)``, at least one position per image.

    Examples:
        >>> one = torch.tensor([[[0.0, 0.0, 1.0]]])
        >>> side = torch.tensor([[1], [1]])
        >>> likely_positions(one, side, ErasingOptions()).tolist()
        [[[False, False, True]]]
        >>> likely_positions(one, side, ErasingOptions(region="away")).tolist()
        [[[True, True, False]]]
    """
    size = (maps.shape[1], maps.shape[2])
    fitting = fitting_positions(shapes, size)
    scores, whole = _scores(maps, shapes, options)
    outside = scores.amax() + 1  # on the device: above any score
    if options.threshold_mode == "quantile":
        limit = _quantile(scores.where(fitting, outside), fitting, options.threshold)
    else:
        share = options.min_overlap if options.rule == "overlap" else options.threshold
        limit = share * whole[:, None, None].double()
    if options.region == "away":
        lowest = scores.where(fitting, outside).amin((1, 2), keepdim=True)
        return fitting & ((scores < limit) | (scores == lowest))
    highest = scores.where(fitting, scores.new_full((), -1)).amax((1, 2), keepdim=True)
    return fitting & ((scores >= limit) | (scores == highest))


def box_sums(levels: Int[Tensor, "N H W"], shapes: Int[Tensor, "2 N"]) -> Int[Tensor, "N H W"]:
    """Sum over the rectangle that begins at each position, by an integral image.

    Args:
        levels: Whole numbers.
        shapes: Heights and widths of each image's rectangle.

    Returns:
        ``(N, H, W)``; beyond the border, sums of the part inside.

    Examples:
        >>> box_sums(torch.tensor([[[1, 2, 4]]]), torch.tensor([[1], [2]])).tolist()
        [[[3, 6, 4]]]
    """
    _, height, width = levels.shape
    down, across = (torch.arange(side, device=levels.device) for side in (height, width))
    bottom = (down + shapes[0][:, None]).clamp(max=height)
    right = (across + shapes[1][:, None]).clamp(max=width)
    kind = levels.dtype  # or cumsum would widen it
    running = F.pad(levels, (1, 0, 1, 0)).cumsum(1, dtype=kind).cumsum(2, dtype=kind)
    strips = running.gather(1, bottom[:, :, None].expand(-1, -1, width + 1)) - running[:, :-1]
    return strips.gather(2, right[:, None, :].expand(-1, height, -1)) - strips[..., :-1]


def _scores(maps: Tensor, shapes: Tensor, options: ErasingOptions) -> tuple[Tensor, Tensor]:
    """A score for each position, and what it would be were the map 1 everywhere."""
    area = shapes[0] * shapes[1]
    if options.rule == "overlap":
        return box_sums((maps >= options.threshold).int(), shapes), area
    kind = torch.int32 if maps[0].numel() * _STEPS < 2**31 else torch.int64
    levels = (maps.clamp(0, 1) * _STEPS).round().to(kind)
    if options.rule == "mean":
        return box_sums(levels, shapes), area * _STEPS
    _, height, width = maps.shape
    down, across = (torch.arange(side, device=maps.device) for side in (height, width))
    middle = (down + shapes[0][:, None] // 2).clamp(max=height - 1)
    rows = levels.gather(1, middle[:, :, None].expand(-1, -1, width))
    middle = (across + shapes[1][:, None] // 2).clamp(max=width - 1)
    return rows.gather(2, middle[:, None, :].expand(-1, height, -1)), torch.full_like(area, _STEPS)


def _quantile(scores: Tensor, fitting: Tensor, share: float) -> Tensor:
    """The least whole number above the scores of this share of an image's fitting positions, ``(N, 1, 1)``."""
    count = fitting.flatten(1).sum(1, keepdim=True)
    # a little less, because 0.1 * 30 comes out above 3
    last = (share * count.double() - 1e-9).ceil().long() - 1
    limit = scores.flatten(1).sort(1).values.gather(1, last.clamp(min=0)) + 1
    return (limit * (last >= 0))[:, :, None]
