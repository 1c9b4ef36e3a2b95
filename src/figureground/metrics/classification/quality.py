"""Of known images: accuracy, negative log-likelihood and expected calibration error."""

__all__ = ["accuracy", "ece", "highest_by_chance", "nll"]

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Labels, Logits

# All three take logits. Logarithms of probabilities do as well, since their softmax is the probabilities. What is given
# decides what is measured: (N, K) the classifier given that the image is known, (N, K + 1) the one with a background.


@checked
def accuracy(logits: Logits, labels: Labels) -> Float[Tensor, ""]:
    """Share of the images whose highest logit is the label's.

    Args:
        logits: ``(N, L)``; of equal logits the first counts.
        labels: ``(N,)``, from 0 to L - 1.

    Returns:
        In [0, 1], float64; higher is better.

    Raises:
        ShapeError: No images, or labels that do not fit.

    Examples:
        >>> accuracy(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])).item()
        0.5
    """
    _check(logits, labels)
    return (logits.argmax(1) == labels).double().mean()


@checked
def highest_by_chance(labels: Labels) -> float:
    """The highest accuracy that a classifier which knows nothing may well have.

    It names the most frequent class always; three standard deviations of the binomial distribution are added, since the
    best of some epochs is a lucky one; of few images no more than half of what lies between it and 1.

    Args:
        labels: ``(N,)``, from 0.

    Returns:
        In (0, 1].

    Raises:
        ShapeError: No labels.

    Examples:
        >>> round(
        ...     highest_by_chance(torch.arange(10).repeat(100)), 4
        ... )  # 0.1 + 3 * sqrt(0.1 * 0.9 / 1000)
        0.1285
    """
    if not len(labels):
        raise ShapeError("chance needs labels, and there are none")
    share = float(labels.long().bincount().max()) / len(labels)
    return min((1 + share) / 2, share + 3 * (share * (1 - share) / len(labels)) ** 0.5)


@checked
def nll(logits: Logits, labels: Labels) -> Float[Tensor, ""]:
    """Mean negative logarithm of the label's probability, in nats.

    Args:
        logits: ``(N, L)``.
        labels: ``(N,)``, from 0 to L - 1.

    Returns:
        0 or above, float64; lower is better. Infinite where a label has no probability at all.

    Raises:
        ShapeError: No images, or labels that do not fit.

    Examples:
        >>> round(nll(torch.zeros(1, 2), torch.tensor([0])).item(), 4)
        0.6931
    """
    _check(logits, labels)
    return F.cross_entropy(logits.double(), labels.long())


@checked
def ece(logits: Logits, labels: Labels, *, bins: int = 15) -> Float[Tensor, ""]:
    """Expected calibration error: how far, on average, confidence is from accuracy.

    Images are put into bins of equal width by the probability of the predicted class, (0, 1/15], (1/15, 2/15], …;
    over the bins, the mean of ``|share that is right - mean confidence|``, weighted by their images.

    Args:
        logits: ``(N, L)``.
        labels: ``(N,)``, from 0 to L - 1.
        bins: Their number.

    Returns:
        In [0, 1], float64; lower is better. Biased upwards when a bin has few images: compare at equal N.

    Raises:
        OptionError: No bins.
        ShapeError: No images, or labels that do not fit.

    References:
        Guo, Pleiss, Sun, Weinberger (2017). On calibration of modern neural networks. ICML, arXiv:1706.04599, eq. 3.
        *Differs* from torchmetrics: a confidence of exactly 1 is in the last bin, not in one of its own.

    Examples:
        >>> sure = torch.tensor([[50.0, 0.0]]).expand(4, 2)
        >>> ece(sure, torch.tensor([0, 0, 0, 1])).item()
        0.25
    """
    _check(logits, labels)
    return _calibration_error(_binned(logits, labels, _at_least_one(bins)))


def _binned(logits: Tensor, labels: Tensor, bins: int) -> Tensor:
    """For each bin the number of images, the number that is right and the sum of confidences, ``(3, bins)``."""
    confidence, predicted = logits.double().softmax(1).max(1)
    ends = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=logits.device)
    where = torch.bucketize(confidence, ends[1:-1])  # right ends belong to the bin
    rows = torch.stack([torch.ones_like(confidence), (predicted == labels).double(), confidence])
    return torch.zeros(3, bins, dtype=torch.float64, device=logits.device).index_add_(
        1, where, rows
    )


def _calibration_error(binned: Tensor) -> Tensor:
    """Mean gap over images."""
    count, right, confidence = binned
    return (right - confidence).abs().sum() / count.sum()


def _at_least_one(bins: int) -> int:
    """The number of bins, unless there is none."""
    if bins < 1:
        raise OptionError(f"bins must be at least 1, got {bins}")
    return bins


def _check(logits: Tensor, labels: Tensor) -> None:
    """Refuse an empty batch and labels that do not fit."""
    count, outputs = logits.shape
    if count == 0 or labels.shape != (count,):
        raise ShapeError(f"{count} rows of logits and {tuple(labels.shape)} labels")
    if not ((labels >= 0) & (labels < outputs)).all():
        raise ShapeError(
            f"labels must be in 0..{outputs - 1}, got {labels.amin().item()}..{labels.amax().item()}"
        )
