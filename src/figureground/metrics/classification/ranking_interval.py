"""How sure a mean average precision is, given the images that it was measured on."""

__all__ = ["mean_average_precision_interval"]

import torch
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.seeds import generator
from figureground.base.shapes import Labels, Logits
from figureground.metrics.classification.ranking import labeled_scores, mean_average_precision
from figureground.metrics.intervals import Interval

_WEIGHTS_AT_ONCE = 1 << 22  # of 8 bytes


@checked
def mean_average_precision_interval(
    logits: Logits,
    labels: Labels,
    *,
    classes: int,
    score: str = "logit",
    seed: int = 0,
    resamples: int = 1000,
) -> Interval:
    """Percentile bootstrap interval, 95 %, of the mean average precision: images drawn anew, with replacement.

    Args:
        logits: ``(N, L)``.
        labels: ``(N,)``.
        classes: How many classes count.
        score: As for ``class_scores``.
        seed: Of the resampling.
        resamples: How often the images are drawn. A draw without any image of a class leaves that class out.

    Returns:
        The interval around the value of all images.

    Examples:
        >>> logits = torch.arange(40.0)[:, None].expand(40, 2)
        >>> found = mean_average_precision_interval(
        ...     logits, (torch.arange(40) < 20).long(), classes=1
        ... )
        >>> found.mean, found.low
        (1.0, 1.0)
    """
    scores, known = labeled_scores(logits, labels, classes, score=score)
    if not len(known):
        return Interval(torch.nan, torch.nan, torch.nan, 0.95, 0)
    numbers = generator(seed)
    count = len(known)
    step = max(1, _WEIGHTS_AT_ONCE // count)
    means = []
    for start in range(0, resamples, step):
        some = min(step, resamples - start)
        drawn = torch.randint(count, (some, count), generator=numbers)
        times = torch.zeros(some, count, dtype=torch.float64)
        times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
        each = [_weighted_ap(scores[:, c], known == c, times) for c in range(classes)]
        means.append(torch.stack(each).nanmean(0))
    found = torch.cat(means)
    found = found[~found.isnan()]
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = found.quantile(ends).tolist() if len(found) else (torch.nan, torch.nan)
    value = mean_average_precision(logits, labels, classes=classes, score=score).item()
    return Interval(value, low, high, 0.95, count)


def _weighted_ap(scores: Tensor, positive: Tensor, times: Tensor) -> Tensor:
    """Average precision of each resample, ``(R,)``, from how often it holds each image, ``(R, n)``."""
    order = scores.argsort(descending=True, stable=True)
    ends = torch.cat([scores[order].diff().ne(0), torch.ones(1, dtype=torch.bool)])
    shown = times[:, order]
    found = (shown * positive[order]).cumsum(1)[:, ends]
    seen = shown.cumsum(1)[:, ends]
    steps = torch.diff(found, prepend=torch.zeros(len(times), 1, dtype=torch.float64))
    return (steps * found / seen.clamp_min(1)).sum(1) / found[:, -1]
