"""Which classes' backgrounds draw other objects to them: one test a class, corrected for their number."""

__all__ = ["ClassPull", "benjamini_hochberg", "pull_test"]

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Real
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Labels
from figureground.metrics.intervals import Interval, bootstrap_interval
from figureground.metrics.reliance.pairs import Pairs

FEWEST = 5
"""Images of a class below which it is not listed."""


@dataclass(frozen=True)
class ClassPull:
    """One class.

    Args:
        label: Which.
        images: Backgrounds of the class that took part.
        pull: Mean probability of the class on its own backgrounds less that on all others, under foreign foregrounds.
        auroc: Probability that a background of the class has more of it than another one; 0.5 is nothing.
        p_value: One-sided Mann-Whitney test.
        found: Significant after correction, and the lower end of the interval lies above the least pull.
    """

    label: int
    images: int
    pull: Interval
    auroc: float
    p_value: float
    found: bool


@checked
def pull_test(
    pairs: Pairs,
    labels: Labels,
    probabilities: Float[Tensor, "P K"],
    *,
    seed: int,
    least: float = 0.02,
    rate: float = 0.05,
) -> tuple[ClassPull, ...]:
    """For every class: do backgrounds of the class raise its probability under foregrounds of other classes?

    The unit is the background image. Significance alone would find real but tiny pulls (0.01 to 0.03) in classes
    without any cue, hence the second condition.

    Args:
        pairs: P of them.
        labels: Class of each image.
        probabilities: Of every class for every pair.
        seed: Of the intervals.
        least: Pull from where on it matters, in probability.
        rate: False discoveries among those found, in (0, 1).

    Returns:
        Classes with at least five images, the highest lower end first.

    Raises:
        ShapeError: The numbers of pairs differ.
        OptionError: ``rate`` or ``least`` is out of range.

    References:
        Mann, Whitney (1947). Annals of Mathematical Statistics 18. Benjamini, Hochberg (1995). JRSS B 57.
    """
    if not (0 < rate < 1 and least >= 0):
        raise OptionError(f"rate must lie in (0, 1) and least not be negative: {rate}, {least}")
    if len(pairs) != len(probabilities):
        raise ShapeError(f"{len(probabilities)} rows of probabilities for {len(pairs)} pairs")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < probabilities.shape[1]:
        raise ShapeError(f"labels must lie in 0..{probabilities.shape[1] - 1}")
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - slow to import

    drawn = _foreign_means(pairs, labels, probabilities)
    rows = []
    for label in range(probabilities.shape[1]):
        of_class = labels == label
        own, others = (drawn[which, label] for which in (of_class, ~of_class))
        own, others = own[~own.isnan()], others[~others.isnan()]
        if len(own) >= FEWEST and len(others):
            rank = mannwhitneyu(own.numpy(), others.numpy(), alternative="greater")
            auroc = float(rank.statistic) / (len(own) * len(others))
            rows.append((label, own - others.mean(), auroc, float(rank.pvalue)))
    passed = benjamini_hochberg(np.array([p for *_, p in rows]), rate=rate)
    found = []
    for (label, own, auroc, p_value), significant in zip(rows, passed, strict=True):
        pull = bootstrap_interval(own, seed=seed)
        one = ClassPull(
            label, len(own), pull, auroc, p_value, bool(significant) and pull.low > least
        )
        found.append(one)
    return tuple(sorted(found, key=lambda one: -one.pull.low))


@checked
def benjamini_hochberg(
    p_values: Real[np.ndarray, " T"], *, rate: float = 0.05
) -> Bool[np.ndarray, " T"]:
    """Which of several tests to believe so that at most ``rate`` of these are expected to be false.

    Args:
        p_values: T of them.
        rate: In (0, 1).

    Returns:
        One truth value a test.

    Raises:
        OptionError: The rate is out of range.

    References:
        Benjamini, Hochberg (1995). Controlling the false discovery rate. JRSS B 57.

    Examples:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])).tolist()
        [True, False, False, False]
        >>> benjamini_hochberg(np.array([0.01, 0.02, 0.03, 0.5])).tolist()
        [True, True, True, False]
    """
    if not 0 < rate < 1:
        raise OptionError(f"rate must lie in (0, 1), got {rate}")
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    below = np.flatnonzero(
        values[order] <= rate * np.arange(1, len(values) + 1) / max(len(values), 1)
    )
    believed = np.zeros(len(values), dtype=bool)
    if len(below):
        believed[order[: below[-1] + 1]] = True
    return believed


def _foreign_means(pairs: Pairs, labels: Tensor, probabilities: Tensor) -> Tensor:
    """``(N, K)``: mean probability of each class on a background, over foregrounds of other classes; NaN for none."""
    classes, images = probabilities.shape[1], len(labels)
    foreign = torch.ones_like(probabilities, dtype=torch.float64)
    foreign[torch.arange(len(pairs)), pairs.classes(labels)[0]] = 0
    empty = torch.zeros(images, classes, dtype=torch.float64)
    sums = empty.index_add(0, pairs.background, probabilities.double() * foreign)
    return sums / empty.index_add(0, pairs.background, foreign)
