"""Of known pictures: accuracy, negative log-likelihood, Brier score and expected calibration error."""

__all__ = ["ClassifierQuality", "accuracy", "brier", "ece", "nll"]

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Labels, Logits

# All four take logits. Logarithms of probabilities do as well, since their softmax is the probabilities. What is given
# decides what is measured: (N, K) the classifier given that the picture is known, (N, K + 1) the one with a background.


def accuracy(logits: Logits, labels: Labels) -> Float[Tensor, ""]:
    """Share of the pictures whose highest logit is the label's.

    Args:
        logits: ``(N, L)``; of equal logits the first counts.
        labels: ``(N,)``, from 0 to L - 1.

    Returns:
        In [0, 1], float64; higher is better.

    Raises:
        ShapeError: No pictures, or labels that do not fit.

    Examples:
        >>> accuracy(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1])).item()
        0.5
    """
    _check(logits, labels)
    return (logits.argmax(1) == labels).double().mean()


def nll(logits: Logits, labels: Labels) -> Float[Tensor, ""]:
    """Mean negative logarithm of the label's probability, in nats.

    Args:
        logits: ``(N, L)``.
        labels: ``(N,)``, from 0 to L - 1.

    Returns:
        0 or above, float64; lower is better. Infinite where a label has no probability at all.

    Raises:
        ShapeError: No pictures, or labels that do not fit.

    Examples:
        >>> round(nll(torch.zeros(1, 2), torch.tensor([0])).item(), 4)
        0.6931
    """
    _check(logits, labels)
    return F.cross_entropy(logits.double(), labels.long())


def brier(logits: Logits, labels: Labels) -> Float[Tensor, ""]:
    """Mean squared distance between the probabilities and the label as a vector of 0 and 1.

    Args:
        logits: ``(N, L)``.
        labels: ``(N,)``, from 0 to L - 1.

    Returns:
        In [0, 2], float64; lower is better.

    Raises:
        ShapeError: No pictures, or labels that do not fit.

    References:
        Brier (1950). Verification of forecasts expressed in terms of probability. Monthly Weather Review 78: summed
        over the classes. Some libraries give half of it for two classes.

    Examples:
        >>> brier(torch.zeros(1, 2), torch.tensor([0])).item()
        0.5
    """
    _check(logits, labels)
    return _squares(logits, labels).mean()


def ece(logits: Logits, labels: Labels, *, bins: int = 15) -> Float[Tensor, ""]:
    """Expected calibration error: how far, on average, confidence is from accuracy.

    Pictures are put into bins of equal width by the probability of the predicted class, (0, 1/15], (1/15, 2/15], …;
    over the bins, the mean of ``|share that is right - mean confidence|``, weighted by their pictures.

    Args:
        logits: ``(N, L)``.
        labels: ``(N,)``, from 0 to L - 1.
        bins: Their number.

    Returns:
        In [0, 1], float64; lower is better. Biased upwards when a bin has few pictures: compare at equal N.

    Raises:
        OptionError: No bins.
        ShapeError: No pictures, or labels that do not fit.

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


class ClassifierQuality(Metric):
    """Gathers accuracy, nll, Brier score and calibration error over batches and processes, in constant memory.

    Args:
        bins: Of the calibration error.

    Raises:
        OptionError: No bins.

    Examples:
        >>> quality = ClassifierQuality()
        >>> quality.update(torch.zeros(3, 2), torch.tensor([0, 0, 1]))
        >>> {name: round(value.item(), 3) for name, value in quality.compute().items()}
        {'accuracy': 0.667, 'nll': 0.693, 'brier': 0.5, 'ece': 0.167, 'images': 3.0}
    """

    is_differentiable = False
    full_state_update = False
    totals: Tensor
    binned: Tensor

    def __init__(self, *, bins: int = 15) -> None:
        super().__init__()
        self.bins = _at_least_one(bins)
        # number of pictures, right, nll, Brier
        self.add_state("totals", torch.zeros(4, dtype=torch.float64), dist_reduce_fx="sum")
        empty = torch.zeros(3, bins, dtype=torch.float64)
        self.add_state("binned", empty, dist_reduce_fx="sum")

    def update(self, logits: Logits, labels: Labels) -> None:
        """Add pictures.

        Args:
            logits: ``(N, L)``.
            labels: ``(N,)``, from 0 to L - 1.
        """
        if len(logits) == 0:
            return
        _check(logits, labels)
        count = len(labels)
        means = (accuracy(logits, labels), nll(logits, labels), brier(logits, labels))
        ones = torch.ones((), dtype=torch.float64, device=logits.device)
        self.totals += (torch.stack([ones, *means]) * count).to(self.totals)
        self.binned += _binned(logits, labels, self.bins).to(self.binned)

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """What was found so far.

        Returns:
            ``accuracy``, ``nll``, ``brier``, ``ece``, NaN before the first picture; and ``images``, their number.
        """
        images = self.totals[0]
        right, likelihood, squares = self.totals[1:] / images
        error = _calibration_error(self.binned)
        return {
            "accuracy": right,
            "nll": likelihood,
            "brier": squares,
            "ece": error,
            "images": images.clone(),
        }


def _squares(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared distance of each picture."""
    probabilities = logits.double().softmax(1)
    return (probabilities - F.one_hot(labels.long(), logits.shape[1])).square().sum(1)


def _binned(logits: Tensor, labels: Tensor, bins: int) -> Tensor:
    """For each bin the number of pictures, the number that is right and the sum of confidences, ``(3, bins)``."""
    confidence, predicted = logits.double().softmax(1).max(1)
    ends = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=logits.device)
    where = torch.bucketize(confidence, ends[1:-1])  # right ends belong to the bin
    rows = torch.stack([torch.ones_like(confidence), (predicted == labels).double(), confidence])
    return torch.zeros(3, bins, dtype=torch.float64, device=logits.device).index_add_(
        1, where, rows
    )


def _calibration_error(binned: Tensor) -> Tensor:
    """Mean gap over pictures."""
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
