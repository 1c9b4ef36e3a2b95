"""What backgrounds alone tell of the class: a probe of their features, beside labels that are permuted."""

__all__ = ["BackgroundProbe", "background_probe", "colour_thumbnail", "grouped_folds"]

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.amount import amount
from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.seeds import generator
from figureground.base.shapes import Images, Labels
from figureground.metrics.intervals import Interval, bootstrap_interval

FOLDS = 5
"""Parts that are held out in turn."""


@dataclass(frozen=True, eq=False)
class BackgroundProbe:
    """What a probe found.

    Args:
        accuracy: On images that the probe was not fitted on, with its interval over images.
        chance: Share of the commonest class.
        permuted: Accuracy with each permutation of the labels.
        p_value: Share of the accuracies, the real one included, that are at least the real one.
        answers: Class that each image got while it was held out.
    """

    accuracy: Interval
    chance: float
    permuted: Float[Tensor, " T"]
    p_value: float
    answers: Int[Tensor, " N"]


@checked
def background_probe(
    features: Float[Tensor, "N D"],
    labels: Labels,
    groups: Int[Tensor, " N"] | None = None,
    *,
    seed: int,
    permutations: int = 20,
) -> BackgroundProbe:
    """How well a linear probe tells the class from features of images without their objects.

    Features are standardised over all images, which looks at no label, and each image goes to the nearest class mean of
    the other folds, in the metric of the pooled covariance with a ridge (the number of features, beside sums over
    images): a linear discriminant whose classes are equally likely. There are five folds; images of a group, such as
    two objects of one photo, are in one. The null is the same with labels permuted over groups. *Differs* from the
    usual logistic regression, which takes a minute for 200 classes with its permutations: here one factorisation a fold
    serves all of these.

    Args:
        features: ``(N, D)`` of images whose object was filled (``background_of``).
        labels: Class of each image.
        groups: Equal numbers where images are one; None where none are.
        seed: Of folds, permutations and the interval.
        permutations: How many.

    Returns:
        Accuracy beside chance, and beside what permuted labels give.

    Raises:
        ShapeError: The numbers of images differ, a feature is not finite, or there are fewer than two classes or
            groups.
        OptionError: ``permutations`` is negative.

    References:
        Alain, Bengio (2017). Understanding intermediate layers using linear classifier probes. ICLR workshop, arXiv
        1610.01644. Ojala, Garriga (2010). Permutation tests for studying classifier performance. JMLR 11.

    Examples:
        >>> labels = torch.arange(40) % 2
        >>> found = background_probe(labels[:, None] + 0.1 * torch.rand(40, 3), labels, seed=0)
        >>> found.accuracy.mean, found.chance, round(found.p_value, 3)
        (1.0, 0.5, 0.048)
    """
    together = torch.arange(len(labels)) if groups is None else groups
    _check(features, labels, together)
    if permutations < 0:
        raise OptionError(f"permutations must not be negative, got {permutations}")
    others = [_permuted(labels, together, seed=seed + 1 + one) for one in range(permutations)]
    sets = torch.stack([labels, *others]).long()
    answers = _answers(_standardised(features), sets, grouped_folds(labels, together, seed=seed))
    right = (answers == sets).double()
    accuracy, permuted = right[0].mean(), right[1:].mean(1)
    return BackgroundProbe(
        accuracy=bootstrap_interval(right[0], seed=seed),
        chance=float(torch.bincount(labels).max()) / len(labels),
        permuted=permuted,
        p_value=(1 + int((permuted >= accuracy).sum())) / (1 + permutations),
        answers=answers[0],
    )


@checked
def grouped_folds(
    labels: Labels, groups: Int[Tensor, " N"], *, seed: int, folds: int = FOLDS
) -> Int[Tensor, " N"]:
    """Folds that keep a group together and deal the groups of each class evenly.

    Args:
        labels: Class of each image; that of a group is its first image's.
        groups: Equal numbers where images are one.
        seed: Of the order of the groups.
        folds: How many; fewer where there are fewer groups.

    Returns:
        Number of the fold of each image, from 0.

    Raises:
        ShapeError: The numbers of images differ, or there is none.
        OptionError: There are to be no folds.

    Examples:
        >>> grouped_folds(
        ...     torch.tensor([0, 0, 0, 1]), torch.tensor([4, 9, 4, 2]), seed=0, folds=2
        ... ).tolist()
        [1, 0, 1, 0]
    """
    if len(labels) != len(groups) or not len(labels):
        raise ShapeError(f"{len(labels)} labels for {len(groups)} images in groups")
    if folds < 1:
        raise OptionError(f"folds must be at least 1, got {folds}")
    numbers, inverse = torch.unique(groups, return_inverse=True)
    count = len(numbers)
    rows = torch.arange(len(labels))
    first = torch.full((count,), len(labels)).scatter_reduce(0, inverse, rows, "amin")
    shuffled = torch.randperm(count, generator=generator(seed))
    order = shuffled[labels[first[shuffled]].argsort(stable=True)]
    fold = torch.zeros(count, dtype=torch.int64)
    fold[order] = torch.arange(count) % min(folds, count)
    return fold[inverse]


@checked
def colour_thumbnail(images: Images, side: int = 4) -> Float[Tensor, "N D"]:
    """Mean colours of a few cells, for a probe that can see nothing finer.

    Args:
        images: ``(N, c, H, W)``.
        side: Cells a side.

    Returns:
        ``(N, c * side * side)``.

    Raises:
        OptionError: There are to be no cells.

    Examples:
        >>> colour_thumbnail(torch.arange(16.0).view(1, 1, 4, 4), side=2)
        tensor([[ 2.5000,  4.5000, 10.5000, 12.5000]])
    """
    if side < 1:
        raise OptionError(f"side must be at least 1, got {side}")
    return F.adaptive_avg_pool2d(images, side).flatten(1)


def _check(features: Tensor, labels: Tensor, groups: Tensor) -> None:
    """Refuse what no probe can be fitted on."""
    if not len(features) == len(labels) == len(groups):
        raise ShapeError(
            f"{len(features)} rows of features and {len(groups)} groups for {len(labels)} labels"
        )
    if len(labels) and int(labels.min()) < 0:
        raise ShapeError("labels must not be negative")
    if len(torch.unique(labels)) < 2 or len(torch.unique(groups)) < 2:
        kinds, parts = len(torch.unique(labels)), len(torch.unique(groups))
        raise ShapeError(
            f"{amount(kinds, 'class', 'classes')} in {amount(parts, 'group')}: a probe needs two of both"
        )
    if not bool(features.isfinite().all()):
        raise ShapeError("features must be finite; leave such images out")


def _standardised(features: Tensor) -> Tensor:
    """Mean 0 and deviation 1 of each feature; a constant one is 0."""
    values = features.double()
    values = values - values.mean(0)
    spread = values.std(0, correction=0)
    return values / torch.where(spread > 0, spread, 1.0)


def _answers(inputs: Tensor, sets: Tensor, folds: Tensor) -> Tensor:
    """``(S, N)``: nearest class means of the other folds, for several sets of labels ``(S, N)`` at once."""
    answers, ridge = torch.zeros_like(sets), float(inputs.shape[1])
    for fold in torch.unique(folds).tolist():
        held = folds == fold
        centre = inputs[~held].mean(0)
        known, asked = inputs[~held] - centre, inputs[held] - centre
        kernel = known @ known.T
        damped = kernel + ridge * torch.eye(len(kernel), dtype=kernel.dtype)
        # (K'K + ridge)^-1 K' = K' (K K' + ridge)^-1: products of images in the metric, by images alone
        among, across = torch.linalg.solve(damped, torch.cat([kernel, known @ asked.T], 1)).split(
            (len(known), len(asked)), dim=1
        )
        for number, labels in enumerate(sets):
            members = F.one_hot(labels[~held], int(sets.max()) + 1).double()
            counts = members.sum(0)
            means = members / counts.clamp_min(1)
            lengths = (means * (among @ means)).sum(0)
            scores = across.T @ means - lengths / 2
            answers[number, held] = scores.masked_fill(counts == 0, -torch.inf).argmax(1)
    return answers


def _permuted(labels: Tensor, groups: Tensor, *, seed: int) -> Tensor:
    """Labels of whole groups exchanged among groups of one size."""
    draws, found = generator(seed), labels.clone()
    order = groups.argsort(stable=True)
    sizes = torch.unique(groups, return_counts=True)[1]
    size_of = sizes.repeat_interleave(sizes)
    for size in torch.unique(sizes).tolist():
        rows = order[size_of == size].view(-1, size)
        found[rows] = labels[rows[torch.randperm(len(rows), generator=draws)]]
    return found
