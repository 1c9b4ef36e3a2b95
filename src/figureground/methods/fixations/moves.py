"""Going back through operations that only move, join, add or weight elements."""

__all__ = ["MOVES", "unexpanded"]

from collections.abc import Callable, Sequence

import torch

from figureground.base.errors import LayerError
from figureground.capture.calls import Kind
from figureground.capture.tape import Step
from figureground.methods.fixations.points import Points, coordinates, flat, moved

Sent = list[tuple[int, Points]]


def _permute(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """Coordinates in the operand's order."""
    where = coordinates(points.index, step.shape)
    order = step.settings["dims"]
    back = [where[order.index(axis)] for axis in range(len(order))]
    return [(0, Points(flat(back, behind[0].shape), points.owners))]


def _slice(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """Start + step · position along the axis."""
    where = coordinates(points.index, step.shape)
    (dim,), (start,), (stride,) = (step.settings[key] for key in ("dim", "start", "step"))
    where[dim] = start + stride * where[dim]
    return [(0, Points(flat(where, behind[0].shape), points.owners))]


def _select(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """The lost axis put back."""
    where = coordinates(points.index, step.shape)
    (dim,), (start,) = step.settings["dim"], step.settings["start"]
    where.insert(dim, torch.full_like(points.index, start))
    return [(0, Points(flat(where, behind[0].shape), points.owners))]


def _expand(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """The one element that was repeated."""
    return [(0, unexpanded(step, points, behind[0].shape))]


def _pad(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """Shifted; a point in the border comes from nowhere and ends."""
    before, shape = step.settings["before"], behind[0].shape
    where = [x - b for x, b in zip(coordinates(points.index, step.shape), before, strict=True)]
    inside = [(x >= 0) & (x < size) for x, size in zip(where, shape, strict=True)]
    return [(0, moved(points, flat(where, shape), torch.stack(inside).all(0)))]


def _cat(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """The part that the position along the axis belongs to."""
    (dim,) = step.settings["dim"]
    where = coordinates(points.index, step.shape)
    sent, start = [], 0
    for source, part in enumerate(behind):
        if len(part.shape) != len(step.shape):  # an empty one-dimensional tensor may be joined
            continue
        local = where[dim] - start
        inside = (local >= 0) & (local < part.shape[dim])
        back = [local if axis == dim else x for axis, x in enumerate(where)]
        sent.append((source, Points(flat(back, part.shape)[inside], points.owners[inside])))
        start += part.shape[dim]
    return sent


def _stack(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """The part that the position along the new axis names."""
    (dim,) = step.settings["dim"]
    where = coordinates(points.index, step.shape)
    which = where.pop(dim)
    index = flat(where, behind[0].shape)
    return [
        (source, Points(index[which == source], points.owners[which == source]))
        for source in range(len(behind))
    ]


def _either(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """Each point to the operand that is larger there."""
    (mask,) = step.saved
    # the mask of a sum of a whole map and one value per channel is as large as the sum
    to_first = mask.expand(step.shape).reshape(-1)[points.index]
    sides = [Points(points.index[side], points.owners[side]) for side in (to_first, ~to_first)]
    pairs = zip(sides, behind, strict=True)
    return [(i, unexpanded(step, side, part.shape)) for i, (side, part) in enumerate(pairs)]


def _product(step: Step, points: Points, behind: Sequence[Step]) -> Sent:
    """The operand that is not a gate; of two full ones, the larger; of a quotient, the numerator."""
    if step.name.startswith("div"):
        return [(0, unexpanded(step, points, behind[0].shape))]
    whole = [part.shape == step.shape for part in behind]
    features = [full and not part.gate for full, part in zip(whole, behind, strict=True)]
    for only in (features, whole):
        if sum(only) == 1:
            return [(only.index(True), points)]
    if not step.saved:
        raise LayerError(
            f"cnn-fixations cannot tell which operand of '{step.name}' is the gate: "
            f"{behind[0].shape} times {behind[1].shape}"
        )
    return _either(step, points, behind)


def unexpanded(step: Step, points: Points, shape: Sequence[int]) -> Points:
    """Points of a result as points of an operand that was broadcast to it.

    Args:
        step: What made the result.
        points: Of the result.
        shape: The operand's.

    Returns:
        Points of the operand.
    """
    if tuple(shape) == step.shape:
        return points
    where = coordinates(points.index, step.shape)[len(step.shape) - len(shape) :]
    back = [torch.zeros_like(x) if size == 1 else x for x, size in zip(where, shape, strict=True)]
    return moved(points, flat(back, shape) if back else torch.zeros_like(points.index))


MOVES: dict[Kind, Callable[[Step, Points, Sequence[Step]], Sent]] = {
    Kind.PERMUTE: _permute,
    Kind.SLICE: _slice,
    Kind.SELECT: _select,
    Kind.EXPAND: _expand,
    Kind.PAD: _pad,
    Kind.CAT: _cat,
    Kind.STACK: _stack,
    Kind.EITHER: _either,
    Kind.PRODUCT: _product,
}
