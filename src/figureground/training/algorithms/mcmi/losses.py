"""Cross-entropy minus (MCMI) or plus (CMIC) the divergence from the class's centroid, and the controls beside them."""

__all__ = [
    "CMICLoss",
    "EntropyBonusLoss",
    "MCMILoss",
    "SquaredErrorLoss",
    "TeacherLoss",
    "batch_separation",
]

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.base.shapes import Labels, Logits
from figureground.training.algorithms.mcmi.centroids import CentroidBank


def batch_separation(logits: Logits, labels: Labels) -> Float[Tensor, ""]:
    """Mean cross-entropy H(p_i, p_j) over the pairs of a batch with different labels, log p_j held fixed.

    Args:
        logits: ``(N, C)``.
        labels: ``(N,)``; an image labelled -1 is in no pair.

    Returns:
        Nats; 0 for a batch without such a pair.

    Examples:
        >>> round(batch_separation(torch.zeros(2, 2), torch.tensor([0, 1])).item(), 4)
        0.6931
    """
    logs = logits.float().log_softmax(1)
    with torch.autocast(
        logits.device.type, enabled=False
    ):  # a product would be rounded to half precision
        against = -(logs.exp() @ logs.detach().T)
    known = labels >= 0
    pairs = (labels[:, None] != labels[None]) & known[:, None] & known[None]
    return (against * pairs).sum() / pairs.sum().clamp_min(1)


class TeacherLoss(nn.Module, ABC):
    """Base of the losses that are a cross-entropy and named terms beside it."""

    @abstractmethod
    def terms(self, logits: Logits, labels: Labels) -> dict[str, Tensor]:
        """What is added to the cross-entropy, weighted already; what an algorithm logs by name.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``; -1 is left out.

        Returns:
            Name -> mean over the labelled images.
        """

    def forward(self, logits: Logits, labels: Labels) -> Float[Tensor, ""]:
        """The loss of a batch.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``; -1 is left out.

        Returns:
            Mean over the labelled images.
        """
        total = mean_cross_entropy(logits, labels)
        for term in self.terms(logits, labels).values():
            total = total + term
        return total


class MCMILoss(TeacherLoss):
    """Cross-entropy **minus** ``weight`` × KL(p ‖ q_y): a teacher whose predictions are more informative.

    Mind the sign: the published objective is maximised, log-likelihood plus λ × CMI; here it is minimised, so λ ≥ 0
    is subtracted. A public re-implementation adds it, which does the opposite.

    Args:
        bank: The centroids.
        weight: λ; 0 is plain fine-tuning, the control.

    Raises:
        OptionError: The weight is negative.

    References:
        Ye et al. (2024). Bayes conditional distribution estimation for knowledge distillation based on conditional
        mutual information. ICLR, arXiv:2401.08732, there eq. 14.

    Examples:
        >>> from figureground.metrics.information import class_sums
        >>> bank = CentroidBank(2)
        >>> labels = torch.tensor([0, 0, 1])
        >>> logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
        >>> bank.refresh(class_sums(logits, labels))
        >>> plain, rich = (MCMILoss(bank, weight)(logits, labels) for weight in (0.0, 0.5))
        >>> bool(rich < plain)
        True
    """

    def __init__(self, bank: CentroidBank, weight: float = 0.15) -> None:
        super().__init__()
        self.bank = bank
        self.weight = checked_weight("weight", weight)

    def terms(self, logits: Logits, labels: Labels) -> dict[str, Tensor]:
        """``mcmi``: minus the weighted divergence.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``; -1 is left out.

        Returns:
            The term, a mean over the labelled images.
        """
        return {"mcmi": -self.weight * self.bank.surrogate(logits, labels)}


class CMICLoss(TeacherLoss):
    """Cross-entropy **plus** ``weight`` × KL(p ‖ q_y) minus ``separation_weight`` × separation: narrow classes, apart.

    The counterpart of `MCMILoss` with the opposite aim: a classifier whose predictions for a class agree.

    Args:
        bank: The centroids.
        weight: λ.
        separation_weight: β, of ``batch_separation``.

    Raises:
        OptionError: A weight is negative.

    References:
        Yang et al. (2023). Conditional mutual information constrained deep learning for classification,
        arXiv:2309.09123. *Differs:* centroids come from the bank; the paper alternates between network and centroids.

    Examples:
        >>> CMICLoss(CentroidBank(2), 1.0, 0.5)
        CMICLoss(
          (bank): CentroidBank()
        )
    """

    def __init__(
        self, bank: CentroidBank, weight: float = 0.15, separation_weight: float = 0.0
    ) -> None:
        super().__init__()
        self.bank = bank
        self.weight = checked_weight("weight", weight)
        self.separation_weight = checked_weight("separation_weight", separation_weight)

    def terms(self, logits: Logits, labels: Labels) -> dict[str, Tensor]:
        """``cmic``: the weighted divergence; ``separation``: minus the weighted separation.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``; -1 is left out.

        Returns:
            The terms, each a mean over the labelled images.
        """
        apart = self.separation_weight * batch_separation(logits, labels)
        return {"cmic": self.weight * self.bank.surrogate(logits, labels), "separation": -apart}


class EntropyBonusLoss(TeacherLoss):
    """Cross-entropy minus ``weight`` × entropy of the output: less confident, but not more informative. A control.

    Args:
        weight: 0 or above.

    Raises:
        OptionError: The weight is negative.

    References:
        Pereyra et al. (2017). Regularizing neural networks by penalizing confident output distributions,
        arXiv:1701.06548.

    Examples:
        >>> round(EntropyBonusLoss(1.0)(torch.zeros(1, 2), torch.tensor([0])).item(), 4)
        0.0
    """

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.weight = checked_weight("weight", weight)

    def terms(self, logits: Logits, labels: Labels) -> dict[str, Tensor]:
        """``entropy``: minus the weighted entropy.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``; -1 is left out.

        Returns:
            The term, a mean over the labelled images.
        """
        return {"entropy": -self.weight * mean_entropy(logits, labels)}


class SquaredErrorLoss(nn.Module):
    """Squared distance of the probabilities from the label as a vector of 0 and 1: the rival teacher of the same group.

    References:
        Hamidi et al. (2024). How to train the teacher model for effective knowledge distillation. ECCV.

    Examples:
        >>> SquaredErrorLoss()(torch.zeros(1, 2), torch.tensor([0])).item()
        0.5
    """

    def forward(self, logits: Logits, labels: Labels) -> Float[Tensor, ""]:
        """The loss of a batch.

        Args:
            logits: ``(N, C)``.
            labels: ``(N,)``; -1 is left out.

        Returns:
            Mean over the labelled images, in [0, 2].
        """
        shares = logits.float().softmax(1)
        wanted = F.one_hot(labels.clamp_min(0).long(), logits.shape[1])
        known = (labels >= 0).float()
        return ((shares - wanted).square().sum(1) * known).sum() / known.sum().clamp_min(1)


def mean_entropy(logits: Logits, labels: Labels) -> Float[Tensor, ""]:
    """Mean entropy of the outputs of labelled images, in nats."""
    known = (labels >= 0).float()
    logs = logits.float().log_softmax(1)
    entropies = -(logs.exp() * logs).sum(
        1
    )  # entr's slope is infinite at 0, which a confident prediction is rounded to
    return (entropies * known).sum() / known.sum().clamp_min(1)


def mean_cross_entropy(logits: Logits, labels: Labels) -> Float[Tensor, ""]:
    """Mean over labelled images; 0 without any."""
    total = F.cross_entropy(logits.float(), labels, ignore_index=-1, reduction="sum")
    return total / (labels >= 0).sum().clamp_min(1)


def checked_weight(name: str, value: float) -> float:
    """A weight that is not negative."""
    if not value >= 0:
        raise OptionError(
            f"{name} is {value}; it must be 0 or above: MCMILoss subtracts its term, CMICLoss adds it"
        )
    return value
