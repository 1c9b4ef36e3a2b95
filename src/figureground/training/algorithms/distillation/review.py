"""Knowledge review: every stage of the student learns from the teacher's stages up to it."""

__all__ = ["ReviewKDLoss", "hierarchical_context"]

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from figureground.base.errors import ShapeError
from figureground.base.paper import Paper
from figureground.training.algorithms.distillation.loss import DistillationLoss, Shapes, exact


class ReviewKDLoss(DistillationLoss):
    """From the deepest stage upwards, the student's maps are fused and compared with the teacher's at several scales.

    Attention-based fusion mixes a stage with what came from below it, position by position; hierarchical context
    compares the result with the teacher's map: see ``hierarchical_context``. Terms of all stages are added.

    Args:
        channels: Of student and teacher, for each pair of layers, the finest first.
        width: Channels of the fused maps; as many as the student's deepest stage has, at most 512, where omitted.

    References:
        Chen, Liu, Zhao, Jia (2021). Distilling knowledge via knowledge review. CVPR, arXiv:2104.09044. *Differs:* the
        weight is chosen for each pair in the paper's tables; here it is 1 unless a recipe says otherwise, and the
        averaged vector is no stage of its own unless it is tapped.
    """

    name = "reviewkd"
    paper = Paper(
        "Chen, Liu, Zhao, Jia",
        "Distilling knowledge via knowledge review",
        2021,
        "CVPR, arXiv:2104.09044",
    )
    looks_at = "maps"
    ramp = 20 / 240
    tunable = MappingProxyType({"width": int})

    def __init__(self, channels: Sequence[tuple[int, int]], width: int | None = None) -> None:
        super().__init__()
        wide = min(512, channels[-1][0]) if width is None else width
        self.fusions = nn.ModuleList(
            _Fusion(student, wide, teacher, first=place == len(channels) - 1)
            for place, (student, teacher) in enumerate(channels)
        )

    @classmethod
    def fitted(cls, shapes: Shapes, options: Mapping[str, Any]) -> "ReviewKDLoss":
        """The loss for all pairs of layers.

        Args:
            shapes: Of the layers.
            options: ``width``.

        Returns:
            The loss.
        """
        return cls(shapes.channels(), **cls.checked(options))

    @exact
    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """The loss.

        Args:
            student: Maps ``(N, C, h, w)``, the finest first; vectors ``(N, C)`` count as maps of one position.
            teacher: As many maps.

        Returns:
            A number in [0, ∞).

        Raises:
            ShapeError: There are more or fewer maps than pairs of channels.
        """
        if not len(student) == len(teacher) == len(self.fusions):
            raise ShapeError(
                f"{len(student)} and {len(teacher)} maps for a loss made for {len(self.fusions)}"
            )
        terms, below = [], None
        for fusion, one, other in reversed(list(zip(self.fusions, student, teacher, strict=True))):
            wanted = _as_map(other)
            found, below = fusion(_as_map(one), below, wanted.shape[2:])
            terms.append(hierarchical_context(found, wanted))
        return torch.stack(terms).sum()


def hierarchical_context(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean square difference of two maps, and of the same averaged to 4 × 4, 2 × 2 and 1 × 1 positions.

    The scales weigh 1, ½, ¼, ⅛, those that a map is large enough for, and the weights are made to sum to 1.

    Args:
        student: ``(N, C, h, w)``.
        teacher: ``(N, C, h, w)``.

    Returns:
        A number in [0, ∞).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> float(hierarchical_context(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)))
        1.0
    """
    if student.shape != teacher.shape:
        raise ShapeError(f"maps of {tuple(student.shape)} against {tuple(teacher.shape)}")
    smallest = min(student.shape[2:])
    loss, weight, total = F.mse_loss(student, teacher), 1.0, 1.0
    for size in (4, 2, 1):
        if size >= smallest:
            continue
        weight /= 2
        one, other = (F.adaptive_avg_pool2d(maps, size) for maps in (student, teacher))
        loss, total = loss + weight * F.mse_loss(one, other), total + weight
    return loss / total


class _Fusion(nn.Module):
    """A stage's maps, mixed with what comes from below; gives maps for the teacher and what goes on up."""

    def __init__(self, student: int, wide: int, teacher: int, *, first: bool) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(student, wide, 1, bias=False), nn.BatchNorm2d(wide))
        self.leave = nn.Sequential(
            nn.Conv2d(wide, teacher, 3, padding=1, bias=False), nn.BatchNorm2d(teacher)
        )
        self.mix = None if first else nn.Conv2d(2 * wide, 2, 1)

    def forward(
        self, maps: Tensor, below: Tensor | None, size: tuple[int, ...]
    ) -> tuple[Tensor, Tensor]:
        mixed = self.enter(maps)
        if self.mix is not None and below is not None:
            risen = F.interpolate(below, mixed.shape[2:])
            shares = self.mix(torch.cat([mixed, risen], 1)).sigmoid()
            mixed = mixed * shares[:, :1] + risen * shares[:, 1:]
        if mixed.shape[2:] != tuple(size):
            mixed = F.interpolate(mixed, tuple(size))
        return self.leave(mixed), mixed


def _as_map(features: Tensor) -> Tensor:
    if features.ndim == 2:
        return features[:, :, None, None]
    if features.ndim != 4:
        raise ShapeError(f"maps (N, C, h, w) were expected, got {tuple(features.shape)}")
    return features
