"""Losses for rare classes and background: each a mean over the labelled images of a batch, 0 without any."""

__all__ = [
    "BinaryLoss",
    "ClassBalancedLoss",
    "FocalLoss",
    "LDAMLoss",
    "LogitAdjustedLoss",
    "PlainLoss",
]

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.shapes import Labels, Logits
from figureground.training.algorithms.background_splitting.class_shares import (
    PerClass,
    class_balanced_weights,
    ldam_margins,
    log_priors,
)


class PlainLoss(nn.Module):
    """Cross-entropy over the labelled images (-1 is left out); 0, with zero gradients, without any.

    Args:
        weights: Of the classes; the mean is weighted. Equal ones where omitted.

    Examples:
        >>> loss = PlainLoss()
        >>> round(loss(torch.zeros(2, 2), torch.tensor([0, -1])).item(), 4)
        0.6931
    """

    weights: Tensor | None

    def __init__(self, weights: PerClass | None = None) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Logits, labels: Labels) -> Float[Tensor, ""]:
        """The loss.

        Args:
            logits: ``(N, L)``, the background last.
            labels: ``(N,)``, -1 to L - 1.

        Returns:
            A scalar, nats.
        """
        return self.mean(F.cross_entropy(logits, labels, ignore_index=-1, reduction="none"), labels)

    def mean(self, each: Float[Tensor, " N"], labels: Labels) -> Float[Tensor, ""]:
        """The mean over the labelled images, by the classes' weights.

        Args:
            each: Loss of each image; 0 or anything finite where unlabelled.
            labels: ``(N,)``.

        Returns:
            A scalar; 0 where nothing is labelled.
        """
        share = (labels >= 0).to(each.dtype)
        if self.weights is not None:
            share = share * self.weights.to(each.dtype)[labels.clamp_min(0)]
        total = share.sum()
        return (each * share).sum() / torch.where(total > 0, total, torch.ones_like(total))


class ClassBalancedLoss(PlainLoss):
    """Cross-entropy weighted by the effective number of each class's images.

    Args:
        counts: Images of each class, the background included.
        beta: 0 gives plain cross-entropy.

    References:
        Cui et al. (2019), arXiv:1901.05555.

    Examples:
        >>> ClassBalancedLoss([5, 5])(torch.zeros(1, 2), torch.tensor([1])).item() > 0.69
        True
    """

    def __init__(self, counts: Sequence[int], *, beta: float = 0.9999) -> None:
        super().__init__(class_balanced_weights(counts, beta))


class FocalLoss(PlainLoss):
    """Cross-entropy times ``(1 - p)**gamma``, p the label's probability: easy images count less.

    Args:
        gamma: 0 gives plain cross-entropy.
        weights: Of the classes.

    References:
        Lin, Goyal, Girshick, He, Dollár (2017). Focal loss for dense object detection. ICCV, arXiv:1708.02002.

    Examples:
        >>> round(FocalLoss(2.0)(torch.zeros(1, 2), torch.tensor([0])).item(), 4)  # 0.6931 / 4
        0.1733
    """

    def __init__(self, gamma: float = 1.0, weights: PerClass | None = None) -> None:
        super().__init__(weights)
        self.gamma = gamma

    def forward(self, logits: Logits, labels: Labels) -> Float[Tensor, ""]:
        """The loss.

        Args:
            logits: ``(N, L)``.
            labels: ``(N,)``, -1 to L - 1.

        Returns:
            A scalar.
        """
        each = F.cross_entropy(logits, labels, ignore_index=-1, reduction="none")
        if self.gamma:
            # where the loss is 0 the base's gradient would be infinite for gamma below 1
            each = (
                each * (-torch.expm1(-each)).clamp_min(torch.finfo(each.dtype).tiny) ** self.gamma
            )
        return self.mean(each, labels)


class LDAMLoss(PlainLoss):
    """Cross-entropy of scaled logits with a margin that is larger for rarer classes; deferred re-weighting.

    Args:
        counts: Images of each class, the background included.
        max_margin: Of the rarest class; 0 with ``scale=1`` gives plain cross-entropy.
        scale: Of the logits. The paper's 30 is for cosines; *differs:* 1 by default here, for dot products.
        beta: Of the weights after ``reweight``.

    Attributes:
        reweighted: Whether class-balanced weights are used; set it late in training, as the paper does.

    References:
        Cao et al. (2019), arXiv:1906.07413.

    Examples:
        >>> LDAMLoss([1, 1], max_margin=0.0)(torch.zeros(1, 2), torch.tensor([0])).item() < 0.7
        True
    """

    def __init__(
        self,
        counts: Sequence[int],
        *,
        max_margin: float = 0.5,
        scale: float = 1.0,
        beta: float = 0.9999,
    ) -> None:
        super().__init__(class_balanced_weights(counts, beta))
        self.register_buffer("margins", ldam_margins(counts, max_margin), persistent=False)
        self.scale = scale
        self.reweighted = False

    def forward(self, logits: Logits, labels: Labels) -> Float[Tensor, ""]:
        """The loss.

        Args:
            logits: ``(N, L)``.
            labels: ``(N,)``, -1 to L - 1.

        Returns:
            A scalar.
        """
        margins = self.get_buffer("margins").to(logits.dtype)
        own = F.one_hot(labels.clamp_min(0), logits.shape[1]).to(logits.dtype)
        moved = self.scale * (logits - own * margins)
        return self.mean(F.cross_entropy(moved, labels, ignore_index=-1, reduction="none"), labels)

    def mean(self, each: Float[Tensor, " N"], labels: Labels) -> Float[Tensor, ""]:
        """As of ``PlainLoss``, with weights only once they are wanted.

        Args:
            each: Loss of each image.
            labels: ``(N,)``.

        Returns:
            A scalar.
        """
        if self.reweighted:
            return super().mean(each, labels)
        known = (labels >= 0).to(each.dtype)
        return (each * known).sum() / known.sum().clamp_min(1)


class LogitAdjustedLoss(PlainLoss):
    """Cross-entropy of the logits plus the logarithms of the classes' shares; with ``tau=1``, balanced softmax.

    Args:
        counts: Images of each class, the background included; equal ones give plain cross-entropy.
        tau: Weight of the logarithms.

    References:
        Menon, Jayasumana, Rawat, Jain, Veit, Kumar (2021). Long-tail learning via logit adjustment. ICLR,
        arXiv:2007.07314. Ren et al. (2020). Balanced meta-softmax. NeurIPS, arXiv:2007.10740.

    Examples:
        >>> round(LogitAdjustedLoss([1, 3])(torch.zeros(1, 2), torch.tensor([0])).item(), 4)
        1.3863
    """

    def __init__(self, counts: Sequence[int], *, tau: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("shift", tau * log_priors(counts), persistent=False)

    def forward(self, logits: Logits, labels: Labels) -> Float[Tensor, ""]:
        """The loss.

        Args:
            logits: ``(N, L)``.
            labels: ``(N,)``, -1 to L - 1.

        Returns:
            A scalar.
        """
        return super().forward(logits + self.get_buffer("shift").to(logits.dtype), labels)


class BinaryLoss(PlainLoss):
    """Each output against all others by itself: the sum of their binary cross-entropies.

    Begin with ``set_prior_bias``, so that the many negatives do not swamp the first steps.

    Examples:
        >>> round(BinaryLoss()(torch.zeros(1, 3), torch.tensor([2])).item(), 4)  # 3 × 0.6931
        2.0794
    """

    def forward(self, logits: Logits, labels: Labels) -> Float[Tensor, ""]:
        """The loss.

        Args:
            logits: ``(N, L)``.
            labels: ``(N,)``, -1 to L - 1.

        Returns:
            A scalar.
        """
        wanted = F.one_hot(labels.clamp_min(0), logits.shape[1]).to(logits.dtype)
        each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(1)
        return self.mean(each, labels)
