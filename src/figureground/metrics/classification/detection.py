"""How well a score tells unknown images from known ones, at all thresholds: AUROC, AUPR, false positives."""

__all__ = ["OperatingPoints", "aupr", "auroc", "fpr_at_tpr", "operating_points"]

from dataclasses import dataclass

import torch
from jaxtyping import Float, Real
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError, unknown_option

# Own curves rather than torchmetrics': that takes scores outside [0, 1] for logits and applies a sigmoid, which makes
# ties of energies.

Scores = Real[Tensor, "_"]
"""One number an image; higher is further out."""

_SIDES = ("out", "in")


@dataclass(frozen=True)
class OperatingPoints:
    """What happens at each threshold, from the strictest to the laxest; equal scores move together.

    Args:
        hits: Share of the positives that are found, from 0 to 1.
        false_alarms: Share of the negatives that are taken for positives, from 0 to 1.
        precision: Share of those found that are positives; 1 where none is found.
    """

    hits: Float[Tensor, " T"]
    false_alarms: Float[Tensor, " T"]
    precision: Float[Tensor, " T"]


def operating_points(
    in_scores: Scores, out_scores: Scores, *, positive: str = "out"
) -> OperatingPoints:
    """The points of the ROC and precision-recall curves.

    Args:
        in_scores: Of known images.
        out_scores: Of unknown images; higher is further out for both.
        positive: ``out``, unknown images are to be found, those with high scores; or ``in``, known ones, with low.

    Returns:
        One point for each different score, and before them one where nothing is found.

    Raises:
        ShapeError: A group is empty, or a score is NaN.
    """
    positives, negatives = _sides(in_scores, out_scores, positive)
    scores = torch.cat([positives, negatives])
    order = scores.argsort(descending=True, stable=True)
    is_positive = (order < len(positives)).double()
    last = scores[order].diff().ne(0).nonzero()[:, 0]
    ends = torch.cat([last, last.new_tensor([len(scores) - 1])])
    found = torch.cat([is_positive.new_zeros(1), is_positive.cumsum(0)[ends]])
    shown = torch.cat([is_positive.new_zeros(1), (ends + 1).double()])
    precision = torch.where(shown > 0, found / shown.clamp_min(1), torch.ones_like(found))
    return OperatingPoints(
        found / len(positives), (shown - found) / len(negatives), precision=precision
    )


@checked
def auroc(in_scores: Scores, out_scores: Scores) -> Float[Tensor, ""]:
    """Probability that an unknown image scores above a known one; equal scores count half.

    The same whichever group is called positive.

    Args:
        in_scores: Of known images.
        out_scores: Of unknown images; higher is further out for both.

    Returns:
        In [0, 1], float64; 0.5 is chance.

    Raises:
        ShapeError: A group is empty, or a score is NaN.

    Examples:
        >>> auroc(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])).item()
        0.875
    """
    points = operating_points(in_scores, out_scores)
    return torch.trapezoid(points.hits, points.false_alarms)


@checked
def aupr(in_scores: Scores, out_scores: Scores, *, positive: str = "out") -> Float[Tensor, ""]:
    """Average precision: the mean precision over recall, by steps, without interpolation.

    Args:
        in_scores: Of known images.
        out_scores: Of unknown images; higher is further out for both.
        positive: Which group is to be found: ``out`` or ``in``.

    Returns:
        In [0, 1], float64; chance is the positives' share of all images, so compare at equal numbers only.

    Raises:
        OptionError: Unknown group.
        ShapeError: A group is empty, or a score is NaN.

    Examples:
        >>> scores = torch.tensor([0.1, 0.4]), torch.tensor([0.3, 0.9])
        >>> [round(aupr(*scores, positive=side).item(), 3) for side in ("out", "in")]
        [0.833, 0.833]
    """
    _check_side(positive)
    points = operating_points(in_scores, out_scores, positive=positive)
    return (points.hits.diff() * points.precision[1:]).sum()


@checked
def fpr_at_tpr(
    in_scores: Scores, out_scores: Scores, *, tpr: float = 0.95, positive: str = "out"
) -> Float[Tensor, ""]:
    """Share of the negatives that pass for positives at the strictest threshold that finds this share of the positives.

    Papers differ in what they call positive, and the two numbers are not the same. With ``out``, known images that
    are thrown out when 95 % of the unknown are found; with ``in``, unknown images that are let in when 95 % of the
    known are kept.

    Args:
        in_scores: Of known images.
        out_scores: Of unknown images; higher is further out for both.
        tpr: Share of the positives to be found, in (0, 1].
        positive: Which group is to be found: ``out`` or ``in``.

    Returns:
        In [0, 1], float64; lower is better.

    Raises:
        OptionError: The share is out of range, or an unknown group.
        ShapeError: A group is empty, or a score is NaN.

    References:
        Hendrycks, Mazeika, Dietterich (2019), arXiv:1812.04606: ``out``. Liang, Li, Srikant (2018), arXiv:1706.02690:
        ``in``.

    Examples:
        >>> known, unknown = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([3.5, 5.0])
        >>> [fpr_at_tpr(known, unknown, positive=side).item() for side in ("out", "in")]
        [0.25, 0.5]
    """
    if not 0 < tpr <= 1:
        raise OptionError(f"tpr must be in (0, 1], got {tpr}")
    _check_side(positive)
    points = operating_points(in_scores, out_scores, positive=positive)
    enough = points.hits >= tpr - 1e-12  # 19 of 20 are 0.95, whatever the division says
    return points.false_alarms[enough.int().argmax()]


def _sides(in_scores: Tensor, out_scores: Tensor, positive: str) -> tuple[Tensor, Tensor]:
    """Positives and negatives, with positives to be found at high scores."""
    for name, scores in (("known", in_scores), ("unknown", out_scores)):
        if len(scores) == 0 or scores.isnan().any():
            raise ShapeError(
                f"scores of {name} images must be some, and none NaN; got {len(scores)}"
            )
    known, unknown = in_scores.detach().double(), out_scores.detach().double().to(in_scores.device)
    return (unknown, known) if positive == "out" else (-known, -unknown)


def _check_side(positive: str) -> None:
    """Refuse a name that is none."""
    if positive not in _SIDES:
        raise unknown_option("positive group", positive, _SIDES)
