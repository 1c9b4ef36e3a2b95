"""Changed copies of one image that tell where the cells of a layer look."""

__all__ = ["PROBES", "WHOLE", "Frame", "frame_of", "is_placed", "probe_images"]

from itertools import product

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.shapes import FeatureMaps

PROBES = 7
"""The image twice, the image changed everywhere, and the image with one of four patches changed."""

_PLAIN, _AGAIN, _EVERYWHERE, _PATCHES = 0, 1, 2, 3  # rows; the patches are the last four
_CENTRES = tuple(product((0.25, 0.75), (0.25, 0.75)))  # y and x as fractions of the image
_HALF = 0.125  # half the side of a patch, a fraction of the image
_MARGIN = 0.1  # how far beside its patch a cell may lie: strides and paddings shift it

# measured on 90 architectures with random weights (benchmarks/layer_check.py): where cells lie as they are drawn, all
# of the strongest answers to a patch come from its place (share 1.0), otherwise at most half of them do
_RIGHT_SHARE, _WRONG_SHARE = 0.75, 0.6
# mean log ratio of the answer to the patch that a cell answers to most, and to the others
_LEAST_EVIDENCE = 0.15
_EVIDENCE_AGAINST = 0.4  # and more than two cells a side: a right layer must not be refused
_LEAST_BESIDE = 0.03  # beside the image, a fraction of the whole; less is left to rounding when an image is resized
_MOST_NOISE = 0.1  # of the difference between two runs on the same image, relative to the answers

Frame = tuple[float, float, float, float]
"""Top, left, bottom and right of the image within what the network's layers look at, as fractions of that."""

WHOLE: Frame = (0.0, 0.0, 1.0, 1.0)


def probe_images(image: Float[Tensor, "1 c H W"]) -> Float[Tensor, "7 c H W"]:
    """Seven copies of one image, four of them with one patch changed.

    Args:
        image: ``(1, C, H, W)``.

    Returns:
        ``(7, C, H, W)``, within the range of the image: as it is, twice; bright where it is dark and dark where it is
        bright; and so in one patch of a quarter of its height and width, in each of its quarters.
    """
    low, high = image.amin(), image.amax()
    if low == high:
        low, high = low.clamp(max=0), high.clamp(min=1)
    changed = torch.where(image > (low + high) / 2, low, high).to(image.dtype)
    probes = image.repeat(PROBES, 1, 1, 1)
    probes[_EVERYWHERE] = changed[0]
    for row, (rows, columns) in enumerate(_patches(image.shape[-2], image.shape[-1]), _PATCHES):
        probes[row, :, rows, columns] = changed[0, :, rows, columns]
    return probes


def is_placed(maps: FeatureMaps, frame: Frame = WHOLE) -> bool | None:
    """Whether the cells of a layer answer to the part of the image that they are drawn over.

    A cell's answer to a patch is the mean change of its channels. It is compared with its answers to the other patches
    and with what other cells answer to that patch, so that a network which mixes everything with everything (attention,
    squeeze and excitation, group norms) is judged by what is left.

    Args:
        maps: ``(7, C, h, w)`` of the probe images, read as the layer's grid says.
        frame: Where the image lies in what the layer looks at.

    Returns:
        Whether they do; None where the evidence is too weak to tell: dead or saturated units, noise, cells that hardly
        differ.

    Examples:
        >>> image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> maps = torch.nn.functional.avg_pool2d(probe_images(image), 4)
        >>> is_placed(maps), is_placed(maps.mT), is_placed(torch.zeros(7, 3, 8, 8))
        (True, False, None)
    """
    values = maps.float()
    change = (values[_PATCHES:] - values[_PLAIN]).abs().mean(1).cpu()
    noise = float((values[_AGAIN] - values[_PLAIN]).abs().mean())
    if not change.isfinite().all() or not change.flatten(1).any(1).all():
        return None
    if noise > _MOST_NOISE * change.mean():
        return None
    logs = (change + 1e-3 * change.amax()).log()
    logs = logs - logs.mean((1, 2), keepdim=True)
    logs = logs - logs.mean(0)
    places = _places(change.shape[-2], change.shape[-1], frame)
    evidence = torch.stack([logs.amax(0)[inside].mean() for inside, _ in places.values()]).mean()
    if len(places) == 1 or evidence < _LEAST_EVIDENCE:
        return None
    shares = []
    for patch, (inside, near) in places.items():
        alive = change[patch] > 1e-3 * change[patch].amax()
        count = min(int(inside.sum()), int(alive.sum()))
        strongest = logs[patch].masked_fill(~alive, -torch.inf).flatten().topk(count).indices
        shares.append(near.flatten()[strongest].float().mean())
    share = float(torch.stack(shares).mean())
    sure = evidence >= _EVIDENCE_AGAINST and min(change.shape[1:]) > 2
    against = False if sure and share < _WRONG_SHARE else None
    return True if share >= _RIGHT_SHARE else against


def frame_of(
    taken: Float[Tensor, "7 c h w"], size: tuple[int, int], *, least: tuple[int, int]
) -> Frame:
    """Where the image lies in what the network makes of it before its first convolution: padded, cropped or resized.

    Args:
        taken: What the first convolution took for the probe images.
        size: ``(H, W)`` of the images.
        least: Pixels of padding, vertically and horizontally, that count: a convolution's own do not.

    Returns:
        The frame; ``WHOLE`` where the image fills it, or is not found in it.

    Examples:
        >>> padded = torch.nn.functional.pad(probe_images(torch.zeros(1, 3, 96, 96)), (0, 32, 0, 0))
        >>> frame_of(padded, (96, 96), least=(3, 3))
        (0.0, 0.0, 1.0, 0.75)
    """
    changed = ((taken[_PATCHES:] - taken[_PLAIN]).abs().amax(1) > 0).cpu()
    frame: list[float] = []
    for axis in (0, 1):
        span = _span(changed.any(2 - axis), [p[axis] for p in _patches(*size)], size[axis])
        if span is None:
            return WHOLE
        frame += [end / taken.shape[axis - 2] for end in span]
    top, bottom, left, right = frame
    beside = max(abs(top), abs(1 - bottom)), max(abs(left), abs(1 - right))
    wholes = taken.shape[-2:]
    if all(
        most < max(_LEAST_BESIDE, some / whole)
        for most, some, whole in zip(beside, least, wholes, strict=True)
    ):
        return WHOLE
    return (top, left, bottom, right)


def _span(
    changed: Bool[Tensor, "4 n"], patches: list[slice], length: int
) -> tuple[float, float] | None:
    """First and last coordinate of the image along one axis of another; None where a patch is not found in it."""
    found: list[tuple[int, int, int, int]] = []
    for row, patch in zip(changed, patches, strict=True):
        where = row.nonzero()
        if not len(where):
            return None
        found.append((patch.start, patch.stop, int(where.min()), int(where.max()) + 1))
    low, high = min(found), max(found)
    # two edges that were not cut off, of the same kind where there are: resizing blurs those alike
    if low[2] > 0:
        near, far = (low[0], low[2]), (high[0], high[2])
    elif high[3] < changed.shape[1]:
        near, far = (low[1], low[3]), (high[1], high[3])
    else:
        near, far = (low[1], low[3]), (high[0], high[2])
    scale = (far[1] - near[1]) / (far[0] - near[0])
    first = near[1] - scale * near[0]
    return first, first + scale * length


def _patches(height: int, width: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the four patches."""

    def along(centre: float, length: int) -> slice:
        first = round((centre - _HALF) * length)
        return slice(first, max(first + 1, round((centre + _HALF) * length)))

    return [(along(y, height), along(x, width)) for y, x in _CENTRES]


def _places(height: int, width: int, frame: Frame) -> dict[int, tuple[Tensor, Tensor]]:
    """Patch -> its cells, and these with those beside it, both ``(h, w)``; patches that share cells count once."""
    top, left, bottom, right = frame
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for patch, (y, x) in enumerate(_CENTRES):
        rows, columns = _axis(height, y, (top, bottom)), _axis(width, x, (left, right))
        inside, near = (r[:, None] & c for r, c in zip(rows, columns, strict=True))
        if all(not torch.equal(inside, other) for other, _ in found.values()):
            found[patch] = (inside, near)
    return found


def _axis(length: int, centre: float, ends: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Which of the cells along an axis lie in a patch (the nearest where none does), and which in or beside it."""
    first, last = ends
    cells = (torch.arange(length) + 0.5) / length
    away = ((cells - first) / (last - first) - centre).abs()
    inside = away < _HALF if bool((away < _HALF).any()) else away == away.min()
    return inside, away <= _HALF + _MARGIN + 0.5 / length / (last - first)
