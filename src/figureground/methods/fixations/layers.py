"""Going back through the layers that combine elements: matrices, convolutions, pools and averages."""

__all__ = ["Position", "conv", "linear", "pool", "pool_max", "positive_inputs", "reduce"]

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from figureground.capture.calls import Kind
from figureground.capture.tape import Step
from figureground.methods.fixations.points import Points, coordinates, flat, merged, moved
from figureground.methods.fixations.strongest import strongest_products

Position = Literal["strided", "center", "argmax"]

_ELEMENTS_AT_ONCE = 2**22  # of gathered windows, so that memory stays bounded
_ELEMENTS_IN_CACHE = 2**18  # the same on a processor, so that they stay in its cache


def linear(step: Step, points: Points, *, only_largest: bool) -> Points:
    """Points of the rows that were multiplied by a matrix.

    Args:
        step: Of kind ``LINEAR``.
        points: Of its result ``(R, O)``.
        only_largest: Keep of each point the one input with the largest contribution, as between a
            feature map and the first fully connected layer; otherwise every positive one.

    Returns:
        Points of the operand ``(R, F)``.
    """
    x, matrix = step.saved
    return _weighed(x, matrix.t(), points, only_largest=only_largest)


def positive_inputs(step: Step, points: Points) -> Points:
    """Points of the single position that a convolution with one tap in reach saw, as a matrix.

    Args:
        step: Of kind ``CONV`` with one group, over a map of one position.
        points: Of its result.

    Returns:
        Points of the operand: every channel with a positive contribution.
    """
    x, weight = step.saved
    pads, spread = step.settings["padding"], step.settings["dilation"]
    row, column = (pad // d for pad, d in zip(pads, spread, strict=True))
    return _weighed(x.flatten(1), weight[:, :, row, column], points, only_largest=False)


def _weighed(x: Tensor, weight: Tensor, points: Points, *, only_largest: bool) -> Points:
    """Back from x (R, F) times weight (O, F), row by row, few units at a time."""
    row, unit = coordinates(points.index, (x.shape[0], weight.shape[0]))
    found = []
    for r in torch.unique(row).tolist():
        units, owners = unit[row == r], points.owners[row == r]
        for part in _chunks(len(units), x.shape[1], at_once=_ELEMENTS_IN_CACHE):
            contributions = weight[units[part]].mul_(x[r])
            if only_largest:
                here = Points(contributions.max(1).indices, owners[part])
            else:
                # the owners of an input are those of all units that it adds to: a matrix product
                shared = contributions.gt_(0).t() @ owners[part].to(contributions.dtype) > 0
                kept = shared.any(1).nonzero()[:, 0]
                here = Points(kept, shared[kept])
            found.append(Points(r * x.shape[1] + here.index, here.owners))
    return merged(found) if found else points


def conv(step: Step, points: Points, *, position: Position) -> Points:
    """Points of the map that was convolved: the channel with the largest summed contribution.

    Args:
        step: Of kind ``CONV``.
        points: Of its result.
        position: The "center" of the window; the place of the channel's largest product in it
            ("argmax"; the centre where it is among the largest); or "strided", which is "argmax" where
            the convolution has a stride and "center" elsewhere.

    Returns:
        Points of the operand, clipped into it.
    """
    if _is_matrix(step):
        return _through_matrix(step, points)
    weight = step.saved[1]
    at_once = _ELEMENTS_AT_ONCE if weight.is_cuda else _ELEMENTS_IN_CACHE
    found = [
        _convolved(step, Points(points.index[part], points.owners[part]), position)
        for part in _chunks(len(points.index), weight[0].numel(), at_once=at_once)
    ]
    return merged(found) if found else points


def _convolved(step: Step, points: Points, position: Position) -> Points:
    """Back through a convolution, of few enough points for all their windows to be laid out."""
    x, weight = step.saved
    n, unit, *at = coordinates(points.index, step.shape)
    group = unit // (weight.shape[0] // step.settings["groups"][0])
    window = _convolved_window(step, at)
    channel = torch.zeros_like(unit)
    place = torch.full_like(unit, _middle(weight))
    moves = position == "argmax" or (position == "strided" and max(step.settings["stride"]) > 1)
    if moves or weight.shape[1] > 1:  # else there is nothing to choose
        products = _products(step, (n, unit, group), window)
        channel = products.sum(1).max(1).indices
        if moves:
            chosen = products.gather(2, channel[:, None, None].expand(-1, products.shape[1], 1))
            place = _strongest(chosen[..., 0].masked_fill_(~window.inside, -torch.inf), place)
    back = [line.gather(1, place[:, None])[:, 0] for line in window[:2]]
    return moved(points, flat([n, channel + group * weight.shape[1], *back], x.shape))


def _products(step: Step, at: tuple[Tensor, Tensor, Tensor], window: "_Window") -> Tensor:
    """Values times weights ``(P, places, channels of the group)`` for image, unit and group of each point."""
    x, weight = step.saved
    n, unit, group = at
    grouped = x.reshape(x.shape[0], -1, weight.shape[1], *x.shape[2:])
    values = grouped[n[:, None], group[:, None], :, *window[:2]]
    values *= weight.flatten(2).transpose(1, 2).index_select(0, unit)
    values *= window.inside[..., None]
    return values


def _is_matrix(step: Step) -> bool:
    """Whether a convolution is a matrix at every position of the map, which lies in memory as the matrix wants it."""
    x, weight = step.saved
    alone = weight[0].numel() == x.shape[1] and max(step.settings["stride"]) == 1
    plain = max(step.settings["padding"]) == 0
    return alone and plain and x.is_contiguous(memory_format=torch.channels_last)


def _through_matrix(step: Step, points: Points) -> Points:
    """Back through a 1×1 convolution: the same position, the channel with the largest product."""
    x, weight = step.saved
    n, unit, row, column = coordinates(points.index, step.shape)
    position = flat([n, row, column], (x.shape[0], *x.shape[2:]))
    values = x.permute(0, 2, 3, 1).flatten(0, 2)
    channel = strongest_products(values, weight.flatten(1), position, units=unit)
    return moved(points, flat([n, channel, row, column], x.shape))


def _strongest(products: Tensor, middle: Tensor) -> Tensor:
    """Place of the largest product of each row."""
    most = products.max(1)
    # where all are equal (a dead channel) the first would let paths drift to the upper left
    tied = products.gather(1, middle[:, None])[:, 0] == most.values
    return torch.where(tied, middle, most.indices)


def _middle(weight: Tensor) -> int:
    """Which of a kernel's places, row by row, is its centre; the earlier one where two are."""
    height, width = weight.shape[2:]
    return (height - 1) // 2 * width + (width - 1) // 2


def pool(step: Step, points: Points, *, every_positive: bool) -> Points:
    """Points of a map that was averaged over windows: the largest value of the window.

    Args:
        step: Of kind ``POOL_AVG`` or ``POOL_ADAPTIVE``.
        points: Of its result ``(N, C, h, w)``.
        every_positive: All positive values of the window instead.

    Returns:
        Points of the operand.
    """
    (x,) = step.saved
    n, channel, *at = coordinates(points.index, step.shape)
    window = _averaged_window(step, at)
    values = x[n[:, None], channel[:, None], window.rows, window.columns]
    values = values.masked_fill(~window.inside, -torch.inf)
    point, place = _chosen(values, every_positive=every_positive)
    back = [n[point], channel[point], window.rows[point, place], window.columns[point, place]]
    return merged([Points(flat(back, x.shape), points.owners[point])])


def pool_max(step: Step, points: Points, behind: Step) -> Points:
    """Points of a map whose windows' maxima were kept, from their recorded places.

    Args:
        step: Of kind ``POOL_MAX``.
        points: Of its result.
        behind: The step that made the map.

    Returns:
        Points of the operand.
    """
    plane = behind.shape[-2] * behind.shape[-1]
    result_plane = step.shape[-2] * step.shape[-1]
    place = step.saved[0].reshape(-1)[points.index]
    return moved(points, points.index // result_plane * plane + place)


def reduce(step: Step, points: Points, *, every_positive: bool) -> Points:
    """Points of a tensor that was averaged or summed over whole axes: the largest value of each.

    Args:
        step: Of kind ``REDUCE``.
        points: Of its result.
        every_positive: All positive values instead.

    Returns:
        Points of the operand.
    """
    (x,) = step.saved
    gone = sorted(step.settings["dims"])
    kept = [axis for axis in range(x.ndim) if axis not in gone]
    values = x.permute(*kept, *gone).flatten(len(kept)).flatten(0, len(kept) - 1)[points.index]
    point, place = _chosen(values, every_positive=every_positive)
    where = coordinates(points.index[point], [x.shape[axis] for axis in kept])
    where += coordinates(place, [x.shape[axis] for axis in gone])
    back = [where[(kept + gone).index(axis)] for axis in range(x.ndim)]
    return merged([Points(flat(back, x.shape), points.owners[point])])


def _chosen(values: Tensor, *, every_positive: bool) -> tuple[Tensor, Tensor]:
    """Row and column of the largest value of each row, or of every positive one."""
    if every_positive:
        row, column = (values > 0).nonzero(as_tuple=True)
        return row, column
    return torch.arange(len(values), device=values.device), values.max(1).indices


class _Window(NamedTuple):
    """What each point's window covers, ``(P, places)``: clipped into the map, and what was inside."""

    rows: Tensor
    columns: Tensor
    inside: Tensor


def _window(corner: Sequence[Tensor], reach: Sequence[Tensor], size: Sequence[int]) -> _Window:
    """Windows from their first row and column and the offsets from there."""
    rows = (corner[0][:, None, None] + reach[0][:, None]).expand(-1, -1, len(reach[1]))
    columns = (corner[1][:, None, None] + reach[1]).expand(-1, len(reach[0]), -1)
    rows, columns = rows.flatten(1), columns.flatten(1)
    inside = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    return _Window(rows.clamp(0, size[0] - 1), columns.clamp(0, size[1] - 1), inside)


def _convolved_window(step: Step, at: Sequence[Tensor]) -> _Window:
    """What a convolution saw for its results at these rows and columns."""
    x, weight = step.saved
    strides, pads, spread = (step.settings[key] for key in ("stride", "padding", "dilation"))
    corner = [a * s - p for a, s, p in zip(at, strides, pads, strict=True)]
    kernel = zip(weight.shape[2:], spread, strict=True)
    reach = [torch.arange(size, device=x.device) * d for size, d in kernel]
    return _window(corner, reach, x.shape[2:])


def _averaged_window(step: Step, at: Sequence[Tensor]) -> _Window:
    """What an average pool saw for its results at these rows and columns."""
    size = step.saved[0].shape[2:]
    if step.kind is Kind.POOL_AVG:
        strides, pads = step.settings["stride"], step.settings["padding"]
        first = [a * s - p for a, s, p in zip(at, strides, pads, strict=True)]
        last = [f + k for f, k in zip(first, step.settings["kernel"], strict=True)]
    else:
        ratios = list(zip(at, size, step.shape[2:], strict=True))
        first = [a * whole // parts for a, whole, parts in ratios]
        last = [-(-(a + 1) * whole // parts) for a, whole, parts in ratios]
    most = [int((end - start).max()) for start, end in zip(first, last, strict=True)]
    window = _window(first, [torch.arange(m, device=at[0].device) for m in most], size)
    # windows of an adaptive pool differ in size
    before_end = (window.rows < last[0][:, None]) & (window.columns < last[1][:, None])
    return window._replace(inside=window.inside & before_end)


def _chunks(count: int, elements_each: int, *, at_once: int) -> Iterator[slice]:
    """Slices of a range such that each stays below the memory limit."""
    size = max(1, at_once // max(1, elements_each))
    return (slice(start, start + size) for start in range(0, count, size))
