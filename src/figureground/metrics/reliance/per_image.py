"""How much one image's own background carries, and how much its background draws others."""

__all__ = ["ImageReliance", "per_image"]

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Labels
from figureground.metrics.reliance.pairs import Pairs


@dataclass(frozen=True, eq=False)
class ImageReliance:
    """N rows; NaN where there is no pair to tell.

    Args:
        loss: Probability of the label on backgrounds of the class less that on backgrounds of other classes.
        loss_error: Its standard error over the backgrounds.
        pull: Probability of the image's class where others stand on its background, less the mean elsewhere.
        pull_error: Its standard error over the foregrounds.
        backgrounds: Foreign backgrounds that were tried.
        flips: On how many of them the label is not the answer; grows with their number.
        worst: Image whose background left the lowest probability; -1 for none.
    """

    loss: Float[Tensor, " N"]
    loss_error: Float[Tensor, " N"]
    pull: Float[Tensor, " N"]
    pull_error: Float[Tensor, " N"]
    backgrounds: Int[Tensor, " N"]
    flips: Int[Tensor, " N"]
    worst: Int[Tensor, " N"]


@checked
def per_image(
    pairs: Pairs,
    labels: Labels,
    probabilities: Float[Tensor, "P K"],
    *,
    best: Int[Tensor, " P"],
    own: Float[Tensor, " N"] | None = None,
) -> ImageReliance:
    """Numbers of every image, in its two roles.

    Args:
        pairs: P of them.
        labels: Class of each image, 0 to K - 1.
        probabilities: Of every class for every pair.
        best: Highest class of every pair, of all classes that the network has.
        own: Probability of the label where the image keeps its background but has the hole of another: stands for
            backgrounds of the class where the class has no other image.

    Returns:
        The numbers.

    Raises:
        ShapeError: The numbers of pairs differ.
    """
    classes = probabilities.shape[1]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ShapeError(f"labels must lie in 0..{classes - 1}")
    if not len(pairs) == len(probabilities) == len(best):
        raise ShapeError(f"{len(probabilities)} and {len(best)} rows for {len(pairs)} pairs")
    front, back = pairs.classes(labels)
    at, apart, count = torch.arange(len(pairs)), front != back, len(labels)
    truth, drawn = probabilities[at, front].double(), probabilities[at, back].double()
    same = _moments(pairs.foreground[~apart], truth[~apart], count)
    other = _moments(pairs.foreground[apart], truth[apart], count)
    on_own = same.mean if own is None else torch.where(same.mean.isnan(), own.double(), same.mean)
    taken = _moments(pairs.background[apart], drawn[apart], count)
    elsewhere = _neither(front, back, probabilities)
    wrong = (apart & (best != front)).long()
    tried = torch.zeros(count, dtype=torch.int64)
    return ImageReliance(
        loss=(on_own - other.mean).float(),
        loss_error=(same.error.nan_to_num(0).square() + other.error.square()).sqrt().float(),
        pull=(taken.mean - elsewhere[labels]).float(),
        pull_error=taken.error.float(),
        backgrounds=tried.index_add(0, pairs.foreground, apart.long()),
        flips=tried.index_add(0, pairs.foreground, wrong),
        worst=_worst(pairs, truth.masked_fill(~apart, torch.nan), count),
    )


@dataclass(frozen=True, eq=False)
class _Moments:
    """Mean and its standard error of groups of numbers."""

    mean: Tensor
    error: Tensor


def _moments(index: Tensor, values: Tensor, count: int) -> _Moments:
    """Of the values of each index; NaN where there are none, or one for the error."""
    empty = torch.zeros(count, dtype=torch.float64)
    number = empty.index_add(0, index, torch.ones_like(values))
    mean = empty.index_add(0, index, values) / number
    squares = empty.index_add(0, index, (values - mean[index]).square())
    error = (squares / (number - 1) / number).sqrt()
    return _Moments(mean, error.masked_fill(number < 2, torch.nan))


def _neither(front: Tensor, back: Tensor, probabilities: Tensor) -> Tensor:
    """Mean probability of each class over pairs that have nothing of it."""
    free = torch.ones_like(probabilities, dtype=torch.float64)
    at = torch.arange(len(front))
    free[at, front] = 0
    free[at, back] = 0
    return (probabilities.double() * free).sum(0) / free.sum(0)


def _worst(pairs: Pairs, truth: Tensor, count: int) -> Tensor:
    """The background that costs each image the most, of those where a number stands."""
    worst = torch.full((count,), -1, dtype=torch.int64)
    order = truth.argsort(dim=0, descending=True, stable=True)
    order = order[~truth[order].isnan()]
    worst[pairs.foreground[order]] = pairs.background[order]  # the last one written has the lowest
    return worst
