"""A few annotated images and many others: prediction-powered inference of a mean."""

__all__ = ["prediction_powered_mean"]

from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.intervals import Interval


@checked
def prediction_powered_mean(
    measured: Float[Tensor, " n"],
    estimated: Float[Tensor, " n"],
    estimated_all: Float[Tensor, " N"],
    *,
    level: float = 0.95,
) -> Interval:
    """Mean of what was measured on some images, made narrower by what is only estimated on all.

    The estimate may be wrong by any amount: it is corrected by its error on the measured images.

    Args:
        measured: A number for each of the n annotated images.
        estimated: What the estimate says of the same images.
        estimated_all: What it says of N other images.
        level: Of the interval, in (0, 1).

    Returns:
        The interval; with an estimate that tells nothing it is that of the measured images alone.

    Raises:
        ShapeError: The numbers of images differ, or fewer than three were measured.
        OptionError: The level is out of range.

    References:
        Angelopoulos, Duchi, Zrnic (2023). PPI++: efficient prediction-powered inference. arXiv 2311.01453.
    """
    if len(measured) != len(estimated) or len(measured) < 3 or not len(estimated_all):
        raise ShapeError(
            f"{len(measured)} measured, {len(estimated)} estimated of these and {len(estimated_all)} of all: at least "
            "three images must be measured"
        )
    if not 0 < level < 1:
        raise OptionError(f"level must lie in (0, 1), got {level}")
    true, guess, everywhere = measured.double(), estimated.double(), estimated_all.double()
    count, total = len(true), len(everywhere)
    spread = torch.cat([guess, everywhere]).var()
    weight = 0.0
    if spread > 0:
        together = ((true - true.mean()) * (guess - guess.mean())).sum() / (count - 1)
        weight = float((together / ((1 + count / total) * spread)).clamp(0, 1))
    mean = float(true.mean() + weight * (everywhere.mean() - guess.mean()))
    variance = (true - weight * guess).var() / count + weight**2 * everywhere.var(
        unbiased=total > 1
    ) / total
    half = NormalDist().inv_cdf((1 + level) / 2) * float(variance.sqrt())
    return Interval(mean, mean - half, mean + half, level, count)
