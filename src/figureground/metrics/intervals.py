"""How sure a number is: bootstrap intervals, paired differences, McNemar's exact test."""

__all__ = [
    "Interval",
    "McNemar",
    "bootstrap_interval",
    "mcnemar",
    "paired_difference",
    "seeds_difference",
]

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Real
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.seeds import generator

_DRAWS_AT_ONCE = 1 << 24
_FEW = 16  # different values
_KEPT_DRAWS = 1 << 21  # of 8 bytes


@dataclass(frozen=True)
class Interval:
    """A mean with the range that resampling the images leaves it in.

    Args:
        mean: Of the values given.
        low: Lower end.
        high: Upper end.
        level: Share of the resampled means between the ends.
        images: Number of values that count.
        undefined: Number of values left out because they are NaN.
    """

    mean: float
    low: float
    high: float
    level: float
    images: int
    undefined: int = 0


@dataclass(frozen=True)
class McNemar:
    """Two methods on the same images, where they disagree.

    Args:
        only_first: Images that only the first gets right.
        only_second: Images that only the second gets right.
        p_value: Probability, if neither were better, of a split at least as uneven.
    """

    only_first: int
    only_second: int
    p_value: float


@checked
def bootstrap_interval(
    values: Real[Tensor, " N"]
    | Real[np.ndarray, " N"]
    | Bool[Tensor, " N"]
    | Bool[np.ndarray, " N"],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Percentile bootstrap interval of the mean of per-image values.

    Args:
        values: One number or truth value an image; NaN is left out and counted.
        seed: Of the resampling.
        level: Share of the resampled means that the interval holds, in (0, 1).
        resamples: How often the images are drawn anew, with replacement.

    Returns:
        The interval.

    Raises:
        OptionError: ``level`` or ``resamples`` is out of range.
        ShapeError: No value is defined.

    References:
        Efron, Tibshirani (1993). An Introduction to the Bootstrap, chapter 13.

    Examples:
        >>> one = bootstrap_interval(torch.tensor([0.0, 1.0] * 50), seed=0)
        >>> one.mean, 0.37 < one.low < 0.43, 0.57 < one.high < 0.63
        (0.5, True, True)
    """
    if not (0 < level < 1 and resamples >= 1):
        raise OptionError(
            f"level must lie in (0, 1) and resamples be positive: {level}, {resamples}"
        )
    numbers = torch.as_tensor(values).detach().cpu().double()
    known = numbers[~numbers.isnan()]
    if len(known) == 0:
        raise ShapeError("no defined value to take a mean of")
    means = _resampled_means(known, resamples, seed)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = means.quantile(ends).tolist()
    missing = len(numbers) - len(known)
    return Interval(known.mean().item(), low, high, level, len(known), missing)


@checked
def paired_difference(
    first: Real[Tensor, " N"]
    | Real[np.ndarray, " N"]
    | Bool[Tensor, " N"]
    | Bool[np.ndarray, " N"],
    second: Real[Tensor, " N"]
    | Real[np.ndarray, " N"]
    | Bool[Tensor, " N"]
    | Bool[np.ndarray, " N"],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Bootstrap interval of ``mean(first - second)`` over the same images.

    Pairing takes out what makes an image easy or hard for both, so the interval is narrower than that of
    two separate means. Images for which either value is NaN are left out and counted.

    Args:
        first: One value an image.
        second: The other method's, in the same order.
        seed: Of the resampling.
        level: Share of the resampled means that the interval holds, in (0, 1).
        resamples: How often the images are drawn anew.

    Returns:
        The interval; where it does not hold 0, the methods differ at this level.

    Raises:
        ShapeError: The numbers of values differ.

    Examples:
        >>> first = torch.arange(10.0)
        >>> paired_difference(first + 1, first, seed=0).low
        1.0
    """
    one, other = (torch.as_tensor(values).detach().cpu().double() for values in (first, second))
    if one.shape != other.shape:
        raise ShapeError(f"{len(one)} values against {len(other)}: pairs need the same images")
    return bootstrap_interval(one - other, seed=seed, level=level, resamples=resamples)


@checked
def seeds_difference(
    first: Real[Tensor, " S"], second: Real[Tensor, " S"], *, level: float = 0.95
) -> Interval:
    """Student's interval of ``mean(first - second)`` over repeated runs of equal seeds.

    For the few runs that one can afford; a bootstrap of three numbers would be far too narrow.

    Args:
        first: One value a seed.
        second: The other way's, in the order of the same seeds.
        level: Of the interval, in (0, 1).

    Returns:
        The interval; its ``images`` are the pairs of runs.

    Raises:
        ShapeError: The numbers of values differ, or there are fewer than two.

    References:
        Student (1908). The probable error of a mean. Biometrika 6.

    Examples:
        >>> found = seeds_difference(torch.tensor([3.0, 5.0]), torch.tensor([1.0, 1.0]))
        >>> round(found.mean, 6), round(found.low, 2), round(found.high, 2)
        (3.0, -9.71, 15.71)
    """
    if first.shape != second.shape or len(first) < 2:
        raise ShapeError(
            f"{len(first)} values against {len(second)}: at least two pairs are needed"
        )
    from scipy.stats import t as student  # noqa: PLC0415 - slow to import

    gaps = first.double() - second.double()
    half = float(gaps.std() / len(gaps) ** 0.5 * student.ppf((1 + level) / 2, len(gaps) - 1))
    middle = float(gaps.mean())
    return Interval(middle, middle - half, middle + half, level, len(gaps))


@checked
def mcnemar(first: Bool[Tensor, " N"], second: Bool[Tensor, " N"]) -> McNemar:
    """Exact two-sided test whether two methods are right on equally many of the same images.

    Args:
        first: Hits of one method.
        second: Hits of the other, in the same order.

    Returns:
        The disagreements and the p-value; 1 where there is none.

    Raises:
        ShapeError: The numbers of images differ.

    References:
        McNemar (1947). Note on the sampling error of the difference between correlated proportions
        or percentages. Psychometrika 12; with the binomial distribution instead of its approximation.

    Examples:
        >>> mcnemar(torch.tensor([True] * 5), torch.tensor([False] * 5)).p_value
        0.0625
    """
    if first.shape != second.shape:
        raise ShapeError(f"{len(first)} hits against {len(second)}: pairs need the same images")
    from scipy.stats import binomtest  # noqa: PLC0415 - slow to import

    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    total = only_first + only_second
    p_value = float(binomtest(only_first, total).pvalue) if total else 1.0
    return McNemar(only_first, only_second, p_value)


def _resampled_means(values: Tensor, resamples: int, seed: int) -> Tensor:
    """Means of images drawn with replacement, a bounded number of draws at a time."""
    count = len(values)
    if count * resamples <= _KEPT_DRAWS:
        # a table of a study has hundreds of intervals over the same images: how often each is drawn is shared
        return _times_drawn(count, resamples, seed) @ values / count
    distinct, times = np.unique(values.numpy(), return_counts=True)
    if len(distinct) <= _FEW:  # hits and misses: how often each value is drawn has a law of its own
        drawn = np.random.default_rng(seed).multinomial(count, times / count, resamples)
        return torch.from_numpy(drawn @ distinct / count)
    source = generator(seed)
    step = max(1, _DRAWS_AT_ONCE // count)
    means = [
        values[torch.randint(count, (min(step, resamples - at), count), generator=source)].mean(1)
        for at in range(0, resamples, step)
    ]
    return torch.cat(means)


@lru_cache(maxsize=4)
def _times_drawn(count: int, resamples: int, seed: int) -> Tensor:
    """How often each resample draws each image, ``(resamples, count)``: the same draws as above, counted."""
    drawn = torch.randint(count, (resamples, count), generator=generator(seed))
    drawn += torch.arange(resamples)[:, None] * count
    return torch.bincount(drawn.flatten(), minlength=drawn.numel()).view_as(drawn).double()
