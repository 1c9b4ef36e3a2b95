"""Other losses that learn from backgrounds with K outputs, for an honest comparison with the background class."""

__all__ = ["EnergyMarginLoss", "UniformOELoss"]

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.shapes import Labels, Logits
from figureground.training.algorithms.background_class.losses import GroupedLoss


class UniformOELoss(GroupedLoss):
    """Cross-entropy of the known samples, and of the backgrounds to the uniform distribution.

    Mean over the known of CE plus ``lam`` times the mean over the backgrounds of ``L - mean_k z_k``, with L the
    log-sum-exp of the logits z.

    Args:
        num_classes: K.
        lam: Weight of the backgrounds, at least 0.
        reduction: As for ``BackgroundClassLoss`` with ``per_group``.

    Raises:
        OptionError: An impossible option.

    References:
        Hendrycks, Mazeika, Dietterich (2019). Deep anomaly detection with outlier exposure. ICLR, arXiv:1812.04606,
        with its weight of 0.5.

    Examples:
        >>> loss = UniformOELoss(num_classes=2)
        >>> round(loss(torch.tensor([[0.0, 0.0]]), torch.tensor([-1])).item() / 0.5, 4)  # log 2
        0.6931
    """

    def __init__(self, num_classes: int, *, lam: float = 0.5, reduction: str = "mean") -> None:
        super().__init__(num_classes, num_classes, reduction)
        self.lam = _not_negative("lam", lam)

    def forward(self, logits: Logits, target: Labels) -> Float[Tensor, "..."]:
        """The loss of a batch.

        Args:
            logits: ``(N, K)``.
            target: ``(N,)``, below K, or K or -1 for the background.

        Returns:
            A number at least 0; ``(N,)`` with ``reduction="none"``.
        """
        known = self.known(logits, target)
        terms = torch.where(known, _of_class(logits, target), self.lam * _to_uniform(logits))
        return self.reduced_by_group(terms, known)


class EnergyMarginLoss(GroupedLoss):
    """Cross-entropy of the known samples, and squared hinges that separate the energies of known and background.

    With E = -logsumexp of the logits: mean over the known of ``CE + lam max(E - m_in, 0)²`` plus the mean over the
    backgrounds of ``lam max(m_out - E, 0)²``.

    Args:
        num_classes: K.
        m_in: Known samples should have less energy than this.
        m_out: Backgrounds should have more energy than this.
        lam: Weight of the hinges, at least 0.
        reduction: As for ``BackgroundClassLoss`` with ``per_group``.

    Raises:
        OptionError: An impossible option, margins in the wrong order included.

    References:
        Liu, Wang, Owens, Li (2020). Energy-based out-of-distribution detection. NeurIPS, arXiv:2010.03759,
        "energy-bounded learning". The defaults are those of the released scripts; what margins are good depends on the
        scale of the logits.

    Examples:
        >>> loss = EnergyMarginLoss(num_classes=1, m_in=-2.0, m_out=-1.0)
        >>> logits = torch.tensor([[1.0], [3.0]])  # energies -1 and -3, each on the wrong side
        >>> loss(logits, torch.tensor([0, -1]))  # 0.1 (-1 + 2)² + 0.1 (-1 + 3)²
        tensor(0.5000)
    """

    def __init__(
        self,
        num_classes: int,
        *,
        m_in: float = -25.0,
        m_out: float = -7.0,
        lam: float = 0.1,
        reduction: str = "mean",
    ) -> None:
        super().__init__(num_classes, num_classes, reduction)
        if m_in > m_out:
            raise OptionError(f"m_in must not be above m_out, got {m_in} and {m_out}")
        self.m_in, self.m_out, self.lam = m_in, m_out, _not_negative("lam", lam)

    def forward(self, logits: Logits, target: Labels) -> Float[Tensor, "..."]:
        """The loss of a batch.

        Args:
            logits: ``(N, K)``.
            target: ``(N,)``, below K, or K or -1 for the background.

        Returns:
            A number at least 0; ``(N,)`` with ``reduction="none"``.
        """
        known = self.known(logits, target)
        energy = -logits.logsumexp(1)
        inside = _of_class(logits, target) + self.lam * (energy - self.m_in).relu().square()
        outside = self.lam * (self.m_out - energy).relu().square()
        return self.reduced_by_group(torch.where(known, inside, outside), known)


def _of_class(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy to the target's class; of class 0, and to be replaced, for backgrounds."""
    background = (target == -1) | (target == logits.shape[1])
    # class 0, not ignore_index: torch would ignore its own -100 in silence
    classes = target.masked_fill(background, 0).long()
    return F.cross_entropy(logits, classes, reduction="none", ignore_index=-1)


def _to_uniform(logits: Tensor) -> Tensor:
    """Cross-entropy to the uniform distribution over the K classes."""
    return logits.logsumexp(1) - logits.mean(1)


def _not_negative(name: str, value: float) -> float:
    """The value, unless it is below 0."""
    if not value >= 0:
        raise OptionError(f"{name} must not be negative, got {value}")
    return value
