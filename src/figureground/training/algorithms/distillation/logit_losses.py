"""Losses that look at the logits alone."""

__all__ = ["DKDLoss", "KDLoss"]

from types import MappingProxyType

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.base.paper import Paper
from figureground.training.algorithms.distillation.loss import DistillationLoss, exact


class KDLoss(DistillationLoss):
    """Divergence of the student's softened probabilities from the teacher's: mean of T² · KL(teacher ‖ student).

    The factor T² is always there, so that the gradient's size does not depend on T; for large T the value tends to half
    the mean square difference of the centred logits, summed over classes and divided by their number.

    Args:
        temperature: T, positive.

    Raises:
        OptionError: T is not positive.

    References:
        Hinton, Vinyals, Dean (2015). Distilling the knowledge in a neural network. arXiv:1503.02531.

    Examples:
        >>> loss = KDLoss(temperature=1.0)
        >>> round(float(loss(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))), 4)
        0.1109
    """

    name = "kd"
    paper = Paper(
        "Hinton, Vinyals, Dean", "Distilling the knowledge in a neural network", 2015, "arXiv:1503.02531"
    )  # fmt: skip
    looks_at = "logits"
    gamma = 0.1
    weight = 0.9
    tunable = MappingProxyType({"temperature": float})

    def __init__(self, temperature: float = 4.0) -> None:
        super().__init__()
        self.temperature = _positive(temperature)

    @exact
    def forward(self, student: Float[Tensor, "N L"], teacher: Float[Tensor, "N L"]) -> Tensor:
        """The loss.

        Args:
            student: Logits ``(N, L)``.
            teacher: Logits ``(N, L)``; one of −∞ stands for a class that is ruled out, which adds nothing.

        Returns:
            A number in [0, ∞), nats times T².
        """
        soft = self.temperature
        parts = _divergence(F.log_softmax(student / soft, 1), F.log_softmax(teacher / soft, 1))
        return parts.mean() * soft**2


class DKDLoss(DistillationLoss):
    """KD in two parts: is it the target (weight α), and which of the others is it like (weight β).

    With p the teacher's softened probability of the target, T² KL = T² [TCKD + (1 − p) NCKD]; here the second part
    loses its factor 1 − p: T² (α TCKD + β NCKD), the mean over labelled images.

    Args:
        alpha: Of the part on the target.
        beta: Of the part on the others; 8 for wide pairs, 2 for ResNet-56 to 20, 6 for VGG and WRN in the paper's code.
        temperature: T, positive.

    Raises:
        OptionError: T is not positive.

    References:
        Zhao, Cui, Song, Qiu, Liang (2022). Decoupled knowledge distillation. CVPR, arXiv:2203.08679, eq. 7. *Differs:*
        the paper's code hides the target behind a logit of −1000; here it is left out, which is the limit of that.

    Examples:
        >>> student, teacher = torch.zeros(1, 3), torch.tensor([[2.0, 1.0, 0.0]])
        >>> loss = DKDLoss(alpha=0.0, beta=1.0, temperature=1.0)
        >>> round(float(loss(student, teacher, torch.tensor([0]))), 4)
        0.1109
    """

    name = "dkd"
    paper = Paper(
        "Zhao, Cui, Song, Qiu, Liang", "Decoupled knowledge distillation", 2022, "CVPR, arXiv:2203.08679"
    )  # fmt: skip
    looks_at = "labelled logits"
    ramp = 20 / 240
    tunable = MappingProxyType({"alpha": float, "beta": float, "temperature": float})

    def __init__(self, alpha: float = 1.0, beta: float = 8.0, temperature: float = 4.0) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta
        self.temperature = _positive(temperature)

    @exact
    def forward(
        self,
        student: Float[Tensor, "N L"],
        teacher: Float[Tensor, "N L"],
        labels: Int[Tensor, " N"],
    ) -> Tensor:
        """The loss.

        Args:
            student: Logits ``(N, L)``.
            teacher: Logits ``(N, L)``; one of −∞ stands for a class that is ruled out, which adds nothing.
            labels: ``(N,)``; images whose label is none of the L classes are left out.

        Returns:
            A number in [0, ∞), nats times T².

        Raises:
            ShapeError: There are fewer than two classes.
        """
        if student.shape[1] < 2:
            raise ShapeError("separating the target from the others takes two classes or more")
        known = (labels >= 0) & (labels < student.shape[1])
        target = labels.clamp(0, student.shape[1] - 1)
        (s_pair, s_others), (t_pair, t_others) = (
            _separated(logits / self.temperature, target) for logits in (student, teacher)
        )
        parts = self.alpha * _divergence(s_pair, t_pair) + self.beta * _divergence(
            s_others, t_others
        )
        return (parts * known).sum() / known.sum().clamp_min(1) * self.temperature**2


def _separated(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of (target, any other), ``(N, 2)``, and of each other among the others, ``(N, L - 1)``."""
    positions = torch.arange(logits.shape[1] - 1, device=logits.device)
    others = logits.gather(1, positions + (positions >= target[:, None]).long())
    pair = torch.stack([logits.gather(1, target[:, None])[:, 0], others.logsumexp(1)], 1)
    nothing = others.isneginf().all(1, keepdim=True)  # no other is possible: none is like any
    return pair.log_softmax(1), others.masked_fill(nothing, 0).log_softmax(1).masked_fill(
        nothing, -torch.inf
    )


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher ‖ student) of each row of log-probabilities; 0 · log 0 is 0."""
    impossible = teacher.isneginf()
    difference = (teacher - student).masked_fill(impossible, 0)
    return (teacher.exp() * difference).sum(1)


def _positive(temperature: float) -> float:
    if not temperature > 0:
        raise OptionError(f"a temperature is positive, got {temperature}")
    return temperature
