"""Intervals of numbers over pairs: what is drawn anew are the images, in both of their roles at once."""

__all__ = ["DRAWS", "Verdict", "node_weights", "percentiles", "verdict_of"]

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.metrics.intervals import Interval

DRAWS = 1000
"""Of the bootstrap."""


@dataclass(frozen=True)
class Verdict:
    """What an interval says of a number that matters from ``delta`` on.

    Args:
        word: ``rests on``, ``does not`` or ``cannot tell``.
        delta: From where on it matters.
        images_needed: About so many would decide; None where it is decided, or no number would.
    """

    word: Literal["rests on", "does not", "cannot tell"]
    delta: float
    images_needed: int | None = None


@checked
def node_weights(images: int, *, draws: int = DRAWS, seed: int) -> Float[Tensor, "B N"]:
    """One exponential weight for each image and draw; a pair of images weighs the product of its two.

    Pairs that share an image are not independent: resampling pairs covers in 79 % of cases where 95 % is claimed.

    Args:
        images: N.
        draws: B.
        seed: Of the drawing.

    Returns:
        ``(B, N)``, positive, mean 1.

    Raises:
        OptionError: A number is not positive.

    References:
        Owen, Eckles (2012). Bootstrapping data arrays of arbitrary order. Annals of Applied Statistics 6,
        arXiv 1106.2125. *Differs:* exponential weights, the same for both roles of an image.
    """
    if images < 1 or draws < 1:
        raise OptionError(f"images and draws must be positive: {images}, {draws}")
    uniform = torch.rand(draws, images, generator=generator(seed), dtype=torch.float64)
    return -torch.log1p(-uniform)


@checked
def percentiles(
    value: float, draws: Float[Tensor, " B"], *, images: int, level: float = 0.95
) -> Interval:
    """The interval between two percentiles of bootstrap values.

    Args:
        value: The number itself.
        draws: Its bootstrap values; NaN is left out.
        images: How many it is of.
        level: In (0, 1).

    Returns:
        The interval.

    Raises:
        OptionError: The level is out of range.

    Examples:
        >>> found = percentiles(0.5, torch.linspace(0, 1, 101), images=10)
        >>> round(found.low, 3), round(found.high, 3)
        (0.025, 0.975)
    """
    if not 0 < level < 1:
        raise OptionError(f"level must lie in (0, 1), got {level}")
    known = draws[~draws.isnan()].double()
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = known.quantile(ends).tolist() if len(known) else (float("nan"),) * 2
    return Interval(value, low, high, level, images)


@checked
def verdict_of(interval: Interval, *, delta: float) -> Verdict:
    """Three answers, of which "cannot tell" comes with the number of images that would tell.

    Args:
        interval: Of a gap or a pull.
        delta: From where on it matters; not negative.

    Returns:
        ``rests on`` where all of the interval lies above, ``does not`` where all of it lies below.

    Raises:
        OptionError: ``delta`` is negative.

    Examples:
        >>> verdict_of(Interval(0.1, 0.0, 0.2, 0.95, 50), delta=0.05)
        Verdict(word='cannot tell', delta=0.05, images_needed=200)
        >>> verdict_of(Interval(0.3, 0.2, 0.4, 0.95, 50), delta=0.05).word
        'rests on'
    """
    if delta < 0:
        raise OptionError(f"delta must not be negative, got {delta}")
    if interval.low > delta:
        return Verdict("rests on", delta)
    if interval.high < delta:
        return Verdict("does not", delta)
    half, apart = (interval.high - interval.low) / 2, abs(interval.mean - delta)
    if not half / max(apart, 1e-9) < 1e3:
        return Verdict("cannot tell", delta)
    return Verdict("cannot tell", delta, round(interval.images * (half / apart) ** 2))
