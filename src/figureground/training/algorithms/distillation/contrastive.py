"""Contrastive representation distillation, with its memory of the training images."""

__all__ = ["CRDLoss"]

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from figureground.base.errors import OptionError, ShapeError
from figureground.base.paper import Paper
from figureground.training.algorithms.distillation.loss import (
    DistillationLoss,
    Shapes,
    exact,
    pooled,
)


class CRDLoss(DistillationLoss):
    """Student and teacher know each other's image among images of other classes.

    Both are embedded on a sphere. With ``P = exp(v · w / τ) / Z`` for an image's own entry in a memory of the other
    side's embeddings (+) and for K entries of other classes (−): the mean of −log P₊ / (P₊ + K/M) − Σ log (K/M) / (P₋
    + K/M), for both sides. The memory follows with momentum; Z is fixed by the first batch. Call ``remember`` before
    the first step.

    Args:
        student: Length of the student's vectors.
        teacher: Of the teacher's.
        width: Of the embedding.
        negatives: K.
        tau: Temperature τ.
        momentum: Share of the memory that stays.

    Raises:
        OptionError: There is no negative, τ is not positive, or the memory would never move.

    References:
        Tian, Krishnan, Isola (2020). Contrastive representation distillation. ICLR, arXiv:1910.10699. *Differs:*
        products with the whole memory are taken and the K chosen from them, which gives the same numbers in less
        memory; the 1e-7 that the authors' code adds to each denominator is left out, so that both terms are a
        softplus of s − log Z − log K/M with s = v · w / τ. Slopes are of first order alone.
    """

    name = "crd"
    paper = Paper(
        "Tian, Krishnan, Isola",
        "Contrastive representation distillation",
        2020,
        "ICLR, arXiv:1910.10699",
    )
    looks_at = "indices"
    weight = 0.8
    tunable = MappingProxyType({"width": int, "negatives": int, "tau": float, "momentum": float})

    memory: Tensor
    sorted_indices: Tensor
    first: Tensor
    count: Tensor
    normaliser: Tensor

    def __init__(
        self,
        student: int,
        teacher: int,
        *,
        width: int = 128,
        negatives: int = 16384,
        tau: float = 0.07,
        momentum: float = 0.5,
    ) -> None:
        super().__init__()
        if negatives < 1 or not tau > 0 or not 0 <= momentum < 1:
            raise OptionError(
                "negatives is at least 1, tau positive, momentum from 0 to below 1; "
                f"got {negatives}, {tau}, {momentum}"
            )
        self.student, self.teacher = nn.Linear(student, width), nn.Linear(teacher, width)
        self.negatives, self.tau, self.momentum = negatives, tau, momentum
        self.register_buffer("memory", torch.zeros(2, 0, width))  # student's and teacher's
        self.register_buffer("normaliser", torch.full((2,), -1.0))
        for name in ("sorted_indices", "first", "count"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64))
        self._settled: bool | None = None  # whether Z is fixed; None where it is not looked up yet

    @classmethod
    def fitted(cls, shapes: Shapes, options: Mapping[str, Any]) -> "CRDLoss":
        """The loss for the last pair of layers.

        Args:
            shapes: Of the layers.
            options: ``width``, ``negatives``, ``tau``, ``momentum``.

        Returns:
            The loss.
        """
        return cls(*shapes.channels()[-1], **cls.checked(options))

    def remember(self, labels: Int[Tensor, " M"]) -> None:
        """Make an empty memory of the training images: random points on the sphere, from torch's global RNG.

        Args:
            labels: ``(M,)``, of all training images.

        Raises:
            OptionError: All are of one class.
        """
        labels = labels.to(self.memory.device)
        self.sorted_indices = labels.argsort(stable=True)
        ranked = labels[self.sorted_indices].contiguous()
        self.first = torch.searchsorted(ranked, labels)
        self.count = torch.searchsorted(ranked, labels, right=True) - self.first
        if int(self.count.max()) == len(labels):
            raise OptionError("the loss 'crd' needs training images of two classes or more")
        spread = torch.randn(2, len(labels), self.memory.shape[2], device=labels.device)
        self.memory = F.normalize(spread, dim=2)

    @exact
    def forward(self, student: Tensor, teacher: Tensor, indices: Int[Tensor, " N"]) -> Tensor:
        """The loss; the memory moves where the module is in training mode.

        Args:
            student: ``(N, C, h, w)`` or ``(N, C)``; maps are averaged.
            teacher: ``(N, D, h', w')`` or ``(N, D)``.
            indices: ``(N,)``, indices of the images in the training data.

        Returns:
            A number in [0, ∞).

        Raises:
            ShapeError: There is no memory yet.
        """
        if not len(self.sorted_indices):
            raise ShapeError("call remember(labels) before the first step")
        sides = (self.student(pooled(student)), self.teacher(pooled(teacher)))
        one, other = (F.normalize(side) for side in sides)
        others = self._others(indices)
        drawn = (others, self._times(others))
        parts = [
            _Known.apply(vectors, *self._contrast(vectors.detach(), indices, drawn, side=side))
            for vectors, side in ((one, 1), (other, 0))
        ]
        self._settled = True
        if self.training:
            self._follow(torch.stack([one, other]).detach(), indices)
        return torch.stack(parts).sum()

    def _load_from_state_dict(self, *arguments: Any) -> None:  # noqa: ANN401 - torch's own
        super()._load_from_state_dict(*arguments)
        self._settled = None

    def _others(self, indices: Tensor) -> Tensor:
        """``(N, K)`` indices of other classes, drawn from torch's global RNG."""
        first, count = self.first[indices, None].int(), self.count[indices, None].int()
        # a little less than there are: rounding may bring a share to 1
        room = (len(self.sorted_indices) - count) * (1 - 2**-22)
        drawn = (torch.rand(len(indices), self.negatives, device=indices.device) * room).int()
        # all bits are set where an index lies behind the own class, which is stepped over
        behind = (drawn - first).bitwise_right_shift_(31).bitwise_not_()
        drawn += behind.bitwise_and_(count)
        return self.sorted_indices.index_select(0, drawn.flatten()).view_as(drawn)

    def _times(self, others: Tensor) -> Tensor | None:
        """``(N, M)``, how often each entry was drawn; None where there are more entries than draws."""
        entries = len(self.sorted_indices)
        if entries > others.shape[1]:
            return None
        one = torch.ones((), device=others.device).expand(others.shape)
        return one.new_zeros(len(others), entries).scatter_add_(1, others, one)

    @torch.no_grad()
    def _contrast(
        self, vectors: Tensor, indices: Tensor, drawn: tuple[Tensor, Tensor | None], *, side: int
    ) -> tuple[Tensor, Tensor]:
        """Value and slope, at one side's vectors, of what they say of the memory of the other, ``side``."""
        # both at once: nothing as large as the memory waits for the backward pass, and the memory may move
        others, times = drawn
        memory, own = self.memory[side], indices[:, None]
        products = (vectors / self.tau) @ memory.T
        near = products.gather(1, own)
        far = products.gather(1, others) if times is None else products
        if not self._fixed():
            self._fix(near, far, times, side=side)
        level = (self.normaliser[side] * (self.negatives / len(memory))).log()
        near, far = level - near, far - level
        wrong, pull = F.softplus(far), far.sigmoid_()
        if times is None:
            pull = products.zero_().scatter_add_(1, others, pull)
        else:
            wrong, pull = wrong.mul_(times), pull.mul_(times)
        pull.scatter_add_(1, own, -near.sigmoid())
        value = F.softplus(near).sum() + wrong.sum()
        return value / len(indices), pull @ memory / (self.tau * len(indices))

    def _fixed(self) -> bool:
        """Whether Z is known; looked up once, as that waits for the device."""
        if self._settled is None:
            self._settled = bool((self.normaliser > 0).all())
        return self._settled

    def _fix(self, near: Tensor, far: Tensor, times: Tensor | None, *, side: int) -> None:
        """Z is M times the mean of exp(v · w / τ) over the own entries and the draws."""
        negatives = far.exp() if times is None else far.exp() * times
        drawn = len(near) * (1 + self.negatives)
        mean = (near.exp().sum() + negatives.sum()) / drawn
        self.normaliser[side] = mean * len(self.sorted_indices)

    def _follow(self, vectors: Tensor, indices: Tensor) -> None:
        moved = self.memory[:, indices] * self.momentum + vectors * (1 - self.momentum)
        self.memory[:, indices] = F.normalize(moved, dim=2)


class _Known(torch.autograd.Function):
    """A number whose slope at some vectors is known already."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, value: Tensor, slope: Tensor) -> Tensor:  # noqa: ANN401, ARG004, PLR0917
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (slope,) = ctx.saved_tensors
        return above * slope, None, None
