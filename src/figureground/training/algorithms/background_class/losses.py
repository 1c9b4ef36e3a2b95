"""Cross-entropy over one output more, the background's; and how losses separate known samples from backgrounds."""

__all__ = ["BackgroundClassLoss", "GroupedLoss"]

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.shapes import Labels, Logits

_REDUCTIONS = ("mean", "sum", "none")
_WEIGHTS = ("union", "per_group")


class GroupedLoss(nn.Module):
    """Base of the losses that treat known classes and background differently.

    Targets are class indices below K; the background is K or -1, which are the same. A target is never changed.

    Args:
        num_classes: K, the number of known classes.
        outputs: How many logits the loss expects.
        reduction: ``mean``, ``sum`` or ``none``.

    Raises:
        OptionError: Unknown reduction, or K below 1.
    """

    def __init__(self, num_classes: int, outputs: int, reduction: str = "mean") -> None:
        super().__init__()
        if num_classes < 1:
            raise OptionError(f"num_classes must be at least 1, got {num_classes}")
        if reduction not in _REDUCTIONS:
            raise unknown_option("reduction", reduction, _REDUCTIONS)
        self.num_classes, self.outputs, self.reduction = num_classes, outputs, reduction

    def known(self, logits: Logits, target: Labels) -> Bool[Tensor, " N"]:
        """Which samples are of a known class, after a look at the shapes.

        Args:
            logits: ``(N, outputs)``.
            target: ``(N,)``.

        Returns:
            ``(N,)``, False for the background.

        Raises:
            ShapeError: Another number of logits or targets.
        """
        if logits.shape != (len(target), self.outputs):
            raise ShapeError(
                f"{type(self).__name__} with {self.num_classes} classes needs logits "
                f"({len(target)}, {self.outputs}) for {len(target)} targets, got {tuple(logits.shape)}"
            )
        return (target != -1) & (target != self.num_classes)

    def reduced(self, terms: Float[Tensor, " N"]) -> Float[Tensor, "..."]:
        """All samples alike.

        Args:
            terms: One a sample.

        Returns:
            Their mean, their sum, or themselves; the mean of none is 0.
        """
        if self.reduction == "none":
            return terms
        return terms.sum() / (max(len(terms), 1) if self.reduction == "mean" else 1)

    def reduced_by_group(
        self, terms: Float[Tensor, " N"], known: Bool[Tensor, " N"]
    ) -> Float[Tensor, "..."]:
        """The sum of the two groups' means.

        Args:
            terms: One a sample, weighted already.
            known: Which samples are of a known class.

        Returns:
            Mean over the known plus mean over the background, where the mean of an empty group is 0; for the other
            reductions the sum of all terms, or themselves.
        """
        if self.reduction != "mean":
            return self.reduced(terms)
        number = known.sum()
        counts = torch.where(known, number, len(terms) - number)
        return (terms / counts).sum()


class BackgroundClassLoss(GroupedLoss):
    """Cross-entropy over K + 1 outputs, of which the last is the background.

    With L the log-sum-exp of the K logits and b the background's, a known sample costs its K-way cross-entropy plus
    ``softplus(b - L)`` and a background ``softplus(L - b)``: the method is the plain classifier and a logistic
    discriminator of known from background, on the energy -L with a learnt threshold b.

    Args:
        num_classes: K.
        weight: ``union``, the mean over the batch (the paper), or ``per_group``, the mean over the known samples plus
            ``lam`` times the mean over the backgrounds, whatever their numbers.
        lam: Weight of the backgrounds with ``per_group``.
        label_smoothing: Share of the target that is spread over all K + 1 outputs, in [0, 1].
        reduction: ``mean``; ``sum`` and ``none`` give each background ``lam`` times the weight of a known sample with
            ``per_group``, and do not look at the groups' sizes.

    Raises:
        OptionError: An unknown or impossible option; ``lam`` without ``per_group``, where it would have no effect.

    References:
        Kabir (2023). Reduction of class activation uncertainty with background information. arXiv:2305.03238:
        ``union``.
        Zhang, LeCun (2017). Universum prescription. AAAI, arXiv:1511.03719: the dustbin class.
        Bitterwolf, Meinke, Augustin, Hein (2022). Breaking down out-of-distribution detection. ICML: ``per_group``.

    Examples:
        >>> loss = BackgroundClassLoss(num_classes=2)
        >>> logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 3.0]])
        >>> [round(loss(logits, torch.tensor(target)).item(), 4) for target in ([0, 2], [0, -1])]
        [0.1324, 0.1324]
    """

    def __init__(
        self,
        num_classes: int,
        *,
        weight: str = "union",
        lam: float = 1.0,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(num_classes, num_classes + 1, reduction)
        _check(weight, lam, label_smoothing)
        self.weight, self.lam, self.label_smoothing = weight, lam, label_smoothing

    def forward(self, logits: Logits, target: Labels) -> Float[Tensor, "..."]:
        """The loss of a batch.

        Args:
            logits: ``(N, K + 1)``.
            target: ``(N,)``, below K, or K or -1 for the background.

        Returns:
            A number at least 0; ``(N,)`` with ``reduction="none"``. An empty group or batch adds 0.
        """
        known = self.known(logits, target)
        terms = F.cross_entropy(
            logits,
            _background_last(target, self.num_classes),
            reduction="none",
            label_smoothing=self.label_smoothing,
            ignore_index=-1,  # of which none is left: torch's own -100 would be ignored in silence
        )
        if self.weight == "union":
            return self.reduced(terms)
        return self.reduced_by_group(torch.where(known, terms, self.lam * terms), known)


def _background_last(target: Int[Tensor, " N"], num_classes: int) -> Int[Tensor, " N"]:
    """The target with K for the background; a new tensor."""
    return torch.where(target == -1, num_classes, target).long()


def _check(weight: str, lam: float, label_smoothing: float) -> None:
    """Refuse options that cannot be, or would be ignored."""
    if weight not in _WEIGHTS:
        raise unknown_option("weight of a background class loss", weight, _WEIGHTS)
    if weight == "union" and lam != 1:
        raise OptionError("lam has no effect with weight='union'; use weight='per_group'")
    if lam < 0 or not 0 <= label_smoothing <= 1:
        raise OptionError(
            f"lam must not be negative and label_smoothing be in [0, 1]: {lam}, {label_smoothing}"
        )
