"""Losses that compare how the images of a batch lie to one another, so that widths need not agree."""

__all__ = ["CorrelationLoss", "PKTLoss", "RKDLoss", "SimilarityLoss"]

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from figureground.base.paper import Paper
from figureground.training.algorithms.distillation.loss import (
    DistillationLoss,
    Shapes,
    exact,
    pooled,
)


class SimilarityLoss(DistillationLoss):
    """Square difference of the two batches' matrices of inner products, rows of length 1, divided by N².

    Takes maps whole, not averaged. Turning the features of a network does not change it.

    References:
        Tung, Mori (2019). Similarity-preserving knowledge distillation. ICCV, arXiv:1907.09682, eq. 4.

    Examples:
        >>> float(SimilarityLoss()(torch.eye(2), torch.ones(2, 3)))  # ((1 - .7071)² + .7071²) / 2
        0.29289...
    """

    name = "sp"
    paper = Paper(
        "Tung, Mori", "Similarity-preserving knowledge distillation", 2019, "ICCV, arXiv:1907.09682"
    )
    weight = 3000.0

    @exact
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss.

        Args:
            student: ``(N, ...)``.
            teacher: ``(N, ...)`` of any shape.

        Returns:
            A number in [0, 4 / N].
        """
        one, other = (
            F.normalize(part @ part.T) for part in (student.flatten(1), teacher.flatten(1))
        )
        return (one - other).square().mean()


class CorrelationLoss(DistillationLoss):
    """How student and teacher differ is to be unlike from one image of the batch to the next.

    Both are embedded linearly; with D the absolute difference of the embeddings, the mean over neighbours of
    ``D[i] · D[i + 1]``.

    Args:
        student: Length of the student's vectors.
        teacher: Of the teacher's.
        width: Of the embedding.

    References:
        Peng, Jin, Liu, Li, Wu, Liu, Zhou, Zhang (2019). Correlation congruence for knowledge distillation. ICCV,
        arXiv:1904.01802. *Differs:* this is the form of the standard benchmark, which is not the paper's kernel.
    """

    name = "cc"
    paper = Paper(
        "Peng, Jin, Liu, Li, Wu, Liu, Zhou, Zhang",
        "Correlation congruence for knowledge distillation",
        2019,
        "ICCV, arXiv:1904.01802",
    )
    weight = 0.02
    tunable = MappingProxyType({"width": int})

    def __init__(self, student: int, teacher: int, width: int = 128) -> None:
        super().__init__()
        self.student = nn.Linear(student, width)
        self.teacher = nn.Linear(teacher, width)

    @classmethod
    def fitted(cls, shapes: Shapes, options: Mapping[str, Any]) -> "CorrelationLoss":
        """The loss for the last pair of layers.

        Args:
            shapes: Of the layers.
            options: ``width``.

        Returns:
            The loss.
        """
        return cls(*shapes.channels()[-1], **cls.checked(options))

    @exact
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss.

        Args:
            student: ``(N, C, h, w)`` or ``(N, C)``; maps are averaged.
            teacher: ``(N, D, h', w')`` or ``(N, D)``.

        Returns:
            A number in [0, ∞); 0 for a single image.
        """
        apart = (self.student(pooled(student)) - self.teacher(pooled(teacher))).abs()
        products = (apart[:-1] * apart[1:]).sum(1)
        return products.sum() / max(1, len(products))


class RKDLoss(DistillationLoss):
    """Distances between images, in units of their mean, and angles of triples: Huber's difference of each.

    Args:
        distance: Weight of the distances.
        angle: Weight of the angles.

    References:
        Park, Kim, Lu, Cho (2019). Relational knowledge distillation. CVPR, arXiv:1904.05068. Weights of the benchmark.

    Examples:
        >>> points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
        >>> float(RKDLoss()(points, 2 * points)) < 1e-9
        True
    """

    name = "rkd"
    paper = Paper(
        "Park, Kim, Lu, Cho", "Relational knowledge distillation", 2019, "CVPR, arXiv:1904.05068"
    )
    tunable = MappingProxyType({"distance": float, "angle": float})

    def __init__(self, distance: float = 25.0, angle: float = 50.0) -> None:
        super().__init__()
        self.distance, self.angle = distance, angle

    @exact
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss.

        Args:
            student: ``(N, C, h, w)`` or ``(N, C)``; maps are averaged.
            teacher: ``(N, D, h', w')`` or ``(N, D)``.

        Returns:
            A number in [0, ∞).
        """
        one, other = pooled(student), pooled(teacher)
        far = F.smooth_l1_loss(_distances(one), _distances(other))
        turned = F.smooth_l1_loss(_cosines(one), _cosines(other))
        return self.distance * far + self.angle * turned


class PKTLoss(DistillationLoss):
    """Divergence of the chances with which an image would choose its neighbours, by cosine: mean of q log(q / p).

    References:
        Passalis, Tefas (2018). Learning deep representations with probabilistic knowledge transfer. ECCV,
        arXiv:1803.10837.

    Examples:
        >>> round(abs(float(PKTLoss()(torch.eye(3), 5 * torch.eye(3)))), 6)
        0.0
    """

    name = "pkt"
    paper = Paper(
        "Passalis, Tefas",
        "Learning deep representations with probabilistic knowledge transfer",
        2018,
        "ECCV, arXiv:1803.10837",
    )
    weight = 30000.0

    @exact
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss.

        Args:
            student: ``(N, C, h, w)`` or ``(N, C)``; maps are averaged.
            teacher: ``(N, D, h', w')`` or ``(N, D)``.

        Returns:
            A number.
        """
        chosen, wanted = (_choices(pooled(part)) for part in (student, teacher))
        return (wanted * ((wanted + _SMALL) / (chosen + _SMALL)).log()).mean()


def _distances(vectors: Tensor) -> Tensor:
    """``(N, N)``, in units of the mean of those that are not 0; the root's slope at 0 is kept away."""
    squares = vectors.square().sum(1)
    between = squares[:, None] + squares[None, :] - 2 * vectors @ vectors.T
    off = ~torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    distances = between.clamp_min(1e-12).sqrt() * off
    positive = distances > 0
    mean = distances.sum() / positive.sum().clamp_min(1)
    return distances / mean.clamp_min(1e-12)


def _cosines(vectors: Tensor) -> Tensor:
    """``(N, N, N)``: seen from image i, the cosine between the directions to j and to k."""
    directions = F.normalize(vectors[None, :] - vectors[:, None], dim=2)
    return directions @ directions.transpose(1, 2)


def _choices(vectors: Tensor) -> Tensor:
    """Rows that sum to 1, from cosines brought to [0, 1]; a vector of zeros is at right angles to all."""
    unit = vectors / (vectors.norm(dim=1, keepdim=True) + _SMALL)
    near = (1 + unit @ unit.T) / 2
    return near / near.sum(1, keepdim=True)


_SMALL = 1e-7
