"""Contrastive representation distillation, with its memory of the training pictures."""

__all__ = ["CRDLoss"]

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from figureground.base.errors import OptionError, ShapeError
from figureground.base.paper import Paper
from figureground.training.algorithms.distillation.loss import (
    DistillationLoss,
    Shapes,
    exact,
    pooled,
)


class CRDLoss(DistillationLoss):
    """Student and teacher know each other's picture among pictures of other classes.

    Both are embedded on a sphere. With ``P = exp(v · w / τ) / Z`` for a picture's own place in a memory of the other
    side's embeddings (+) and for K places of other classes (−): the mean of −log P₊ / (P₊ + K/M) − Σ log (K/M) / (P₋
    + K/M), for both sides. The memory follows with momentum; Z is fixed by the first batch. Call ``remember`` before
    the first step.

    Args:
        student: Length of the student's vectors.
        teacher: Of the teacher's.
        width: Of the embedding.
        negatives: K.
        tau: Temperature τ.
        momentum: Share of the memory that stays.

    References:
        Tian, Krishnan, Isola (2020). Contrastive representation distillation. ICLR, arXiv:1910.10699. *Differs:*
        products with the whole memory are taken and the K chosen from them, which gives the same numbers in less
        memory.
    """

    name = "crd"
    paper = Paper(
        "Tian, Krishnan, Isola",
        "Contrastive representation distillation",
        2020,
        "ICLR, arXiv:1910.10699",
    )
    looks_at = "rows"
    weight = 0.8
    tunable = MappingProxyType({"width": int, "negatives": int, "tau": float, "momentum": float})

    memory: Tensor
    sorted_rows: Tensor
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
        self.student, self.teacher = nn.Linear(student, width), nn.Linear(teacher, width)
        self.negatives, self.tau, self.momentum = negatives, tau, momentum
        self.register_buffer("memory", torch.zeros(2, 0, width))  # student's and teacher's
        self.register_buffer("normaliser", torch.full((2,), -1.0))
        for name in ("sorted_rows", "first", "count"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64))

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
        """Make an empty memory of the training pictures: random places on the sphere, from torch's global numbers.

        Args:
            labels: ``(M,)``, of all training pictures.

        Raises:
            OptionError: All are of one class.
        """
        labels = labels.to(self.memory.device)
        self.sorted_rows = labels.argsort(stable=True)
        ranked = labels[self.sorted_rows].contiguous()
        self.first = torch.searchsorted(ranked, labels)
        self.count = torch.searchsorted(ranked, labels, right=True) - self.first
        if int(self.count.max()) == len(labels):
            raise OptionError("the loss 'crd' needs training pictures of two classes or more")
        spread = torch.randn(2, len(labels), self.memory.shape[2], device=labels.device)
        self.memory = F.normalize(spread, dim=2)

    @exact
    def forward(self, student: Tensor, teacher: Tensor, rows: Int[Tensor, " N"]) -> Tensor:
        """The loss; the memory moves where the module is in training mode.

        Args:
            student: ``(N, C, h, w)`` or ``(N, C)``; maps are averaged.
            teacher: ``(N, D, h', w')`` or ``(N, D)``.
            rows: ``(N,)``, rows of the pictures in the training data.

        Returns:
            A number in [0, ∞).

        Raises:
            ShapeError: There is no memory yet.
        """
        if not len(self.sorted_rows):
            raise ShapeError("call remember(labels) before the first step")
        sides = (self.student(pooled(student)), self.teacher(pooled(teacher)))
        one, other = (F.normalize(side) for side in sides)
        places = torch.cat([rows[:, None], self._others(rows)], 1)
        loss = self._contrast(one, places, side=1) + self._contrast(other, places, side=0)
        if self.training:
            self._follow(torch.stack([one, other]).detach(), rows)
        return loss

    def _others(self, rows: Tensor) -> Tensor:
        """``(N, K)`` rows of other classes, drawn from torch's global numbers."""
        first, count = self.first[rows, None], self.count[rows, None]
        share = torch.rand(len(rows), self.negatives, device=rows.device)
        drawn = (share * (len(self.sorted_rows) - count)).long()
        # rounding may bring a share to 1
        drawn = torch.minimum(drawn, len(self.sorted_rows) - count - 1)
        return self.sorted_rows[drawn + (drawn >= first) * count]

    def _contrast(self, vectors: Tensor, places: Tensor, *, side: int) -> Tensor:
        """One side's vectors against the memory of the other, ``side``."""
        # a copy: the memory moves before the backward pass needs it
        products = vectors @ self.memory[side].T.clone() / self.tau
        near = products.gather(1, places).exp()
        total = len(self.sorted_rows)
        with torch.no_grad():
            estimate = near.mean() * total
            self.normaliser[side] = torch.where(
                self.normaliser[side] < 0, estimate, self.normaliser[side]
            )
        chances = near / self.normaliser[side].clone()
        noise = self.negatives / total
        right = (chances[:, 0] / (chances[:, 0] + noise + _SMALL)).log()
        wrong = (noise / (chances[:, 1:] + noise + _SMALL)).log().sum(1)
        return -(right + wrong).mean()

    def _follow(self, vectors: Tensor, rows: Tensor) -> None:
        kept = self.memory[:, rows] * self.momentum + vectors * (1 - self.momentum)
        self.memory[:, rows] = F.normalize(kept, dim=2)


_SMALL = 1e-7
