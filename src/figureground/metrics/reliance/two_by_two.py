"""The 2 x 2 table of a class: foreground of the class or not, on a background of the class or not."""

__all__ = ["Reliance", "cells_of", "hits", "numbers_of", "reliance"]

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import one_hot

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Labels, Logits
from figureground.metrics.intervals import Interval
from figureground.metrics.reliance.node_bootstrap import DRAWS, node_weights, percentiles
from figureground.metrics.reliance.pairs import Pairs

_LEAST_TO_DIVIDE = 0.1
_DRAWS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Reliance:
    """What a network's answers to composites say of all classes together.

    Args:
        numbers: Name -> value with its interval: ``v11``, ``v10``, ``v01``, ``v00``, ``gap``, ``pull``, ``effect``,
            ``foreground``, ``interaction``, ``share``. ``share`` is absent where there is nothing to divide.
        cells: ``(K, 4)``: v11, v10, v01, v00 of each class; NaN where a class has no such pair.
        classes: ``(K,)`` bool: classes that all four cells exist of, over which the means go.
        draws: Name -> ``(B,)`` bootstrap values, for differences between networks with equal weights.
    """

    numbers: Mapping[str, Interval]
    cells: Float[Tensor, "K 4"]
    classes: Bool[Tensor, " K"]
    draws: Mapping[str, Tensor]


@checked
def hits(logits: Logits) -> Float[Tensor, "N K"]:
    """1 for the highest class, 0 for the others: the score of a verdict.

    Args:
        logits: ``(N, K)``.

    Returns:
        One row an image.

    Examples:
        >>> hits(torch.tensor([[0.1, 2.0]])).tolist()
        [[0.0, 1.0]]
    """
    return one_hot(logits.argmax(1), logits.shape[1]).to(torch.float32)


@checked
def cells_of(
    pairs: Pairs,
    labels: Labels,
    scores: Float[Tensor, "P K"],
    *,
    weights: Float[Tensor, "B N"] | None = None,
) -> Float[Tensor, "_ K 4"]:
    """Mean score of class c over the pairs of each cell of its table.

    v11: foreground and background of c; v10: foreground of c on another class's background; v01: another foreground on
    a background of c; v00: neither.

    Args:
        pairs: P of them.
        labels: Class of each of the N images, 0 to K - 1.
        scores: Of every class for every pair.
        weights: Of the images, one row a bootstrap draw; a pair weighs the product of its two images. None: all 1.

    Returns:
        ``(B, K, 4)``, float64; NaN where there is no such pair.

    Raises:
        ShapeError: The numbers of pairs differ, or a label is out of range.
    """
    if len(pairs) != len(scores):
        raise ShapeError(f"{len(scores)} rows of scores for {len(pairs)} pairs")
    classes = scores.shape[1]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ShapeError(f"labels must lie in 0..{classes - 1}")
    nodes = torch.ones(1, len(labels), dtype=torch.float64) if weights is None else weights.double()
    table, (front, back) = scores.double(), pairs.classes(labels)
    present = _present(classes, front, back)
    found = []
    for some in torch.split(nodes, _DRAWS_AT_ONCE):
        weight = some[:, pairs.foreground] * some[:, pairs.background]
        found.append(_means(weight, table, front=front, back=back).masked_fill(~present, torch.nan))
    return torch.cat(found)


@checked
def numbers_of(cells: Float[Tensor, "B K 4"]) -> dict[str, Float[Tensor, " B"]]:
    """What the tables say, averaged over the classes that have all four cells.

    Where no class has two images, v11 and what is made of it are NaN, and the rest is of classes with the other three.

    ``gap`` = v11 - v10 (ImageNet-9's BG-Gap with composites on both sides); ``pull`` = v01 - v00; ``effect`` of the
    background B = (gap + pull) / 2; of the ``foreground`` F = ((v11 - v01) + (v10 - v00)) / 2, so that
    B + F = v11 - v00; ``interaction`` = v11 - v10 - v01 + v00; ``share`` = B / (B + F), NaN where B + F < 0.1.

    Args:
        cells: ``(B, K, 4)`` of ``cells_of``.

    Returns:
        Name -> one value a draw.

    Raises:
        ShapeError: No class has even these three.

    References:
        Xiao et al. (2021), arXiv 2006.09994, for the gap; Shapley (1953) for the effects of two players.

    Examples:
        >>> found = numbers_of(torch.tensor([[[0.9, 0.5, 0.3, 0.1]]]).double())
        >>> [
        ...     round(found[name].item(), 3)
        ...     for name in ("gap", "pull", "effect", "foreground", "share")
        ... ]
        [0.4, 0.2, 0.3, 0.5, 0.375]
    """
    known = ~cells[0].isnan() if len(cells) else torch.zeros(0, 4, dtype=torch.bool)
    whole = known.all(1) if known.all(1).any() else known[:, 1:].all(1)
    if not whole.any():
        raise ShapeError(
            "no class has an image on another's background, another's on its own, and neither"
        )
    v11, v10, v01, v00 = cells[:, whole].mean(1).unbind(1)
    effect, foreground = ((v11 - v10) + (v01 - v00)) / 2, ((v11 - v01) + (v10 - v00)) / 2
    total = effect + foreground
    return {
        "v11": v11,
        "v10": v10,
        "v01": v01,
        "v00": v00,
        "gap": v11 - v10,
        "pull": v01 - v00,
        "effect": effect,
        "foreground": foreground,
        "interaction": v11 - v10 - v01 + v00,
        "share": (effect / total).masked_fill(total < _LEAST_TO_DIVIDE, torch.nan),
    }


@checked
def reliance(
    pairs: Pairs,
    labels: Labels,
    scores: Float[Tensor, "P K"],
    *,
    seed: int,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Reliance:
    """The numbers of all classes together, with intervals over the images in both of their roles.

    Args:
        pairs: P of them.
        labels: Class of each image, 0 to K - 1.
        scores: Of every class for every pair: ``hits`` for verdicts, probabilities for shares.
        seed: Of the bootstrap; equal seeds have equal weights, so that two networks can be compared draw by draw.
        draws: Of the bootstrap.
        level: Of the intervals, in (0, 1).

    Returns:
        The numbers.

    Raises:
        ShapeError: The sizes differ, or no class has all four cells.
        OptionError: ``draws`` or ``level`` is out of range.
    """
    cells = cells_of(pairs, labels, scores)
    point = {name: float(value) for name, value in numbers_of(cells).items()}
    resampled = numbers_of(
        cells_of(pairs, labels, scores, weights=node_weights(len(labels), draws=draws, seed=seed))
    )
    numbers = {
        name: percentiles(value, resampled[name], images=len(labels), level=level)
        for name, value in point.items()
        if value == value  # noqa: PLR0124 - not NaN
    }
    return Reliance(numbers, cells[0], ~cells[0].isnan().any(1), resampled)


def _means(weight: Tensor, table: Tensor, *, front: Tensor, back: Tensor) -> Tensor:
    """Weighted means of the four cells, ``(B, K, 4)``."""
    at, same = torch.arange(len(front)), (front == back).double()
    empty = torch.zeros(len(weight), table.shape[1], dtype=torch.float64)
    parts = (
        (front, weight * same),
        (front, weight * (1 - same)),
        (back, weight * (1 - same)),
    )
    sums = [empty.index_add(1, index, one * table[at, index]) for index, one in parts]
    counts = [empty.index_add(1, index, one) for index, one in parts]
    sums.append(weight @ table - sums[0] - sums[1] - sums[2])
    counts.append(weight.sum(1, keepdim=True) - counts[0] - counts[1] - counts[2])
    return torch.stack(sums, 2) / torch.stack(counts, 2)


def _present(classes: int, front: Tensor, back: Tensor) -> Tensor:
    """Which cells have any pair, ``(K, 4)``."""
    same = front == back
    both, first, second = (
        torch.bincount(index, minlength=classes)
        for index in (front[same], front[~same], back[~same])
    )
    counts = torch.stack([both, first, second, len(front) - both - first - second], 1)
    return counts > 0
