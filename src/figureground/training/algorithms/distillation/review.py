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
            _Fusion(student, wide, teacher, first=index == len(channels) - 1)
            for index, (student, teacher) in enumerate(channels)
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

    Examples:
        >>> float(hierarchical_context(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)))
        1.0
    """
    if student.shape != teacher.shape:
        raise ShapeError(f"maps of {tuple(student.shape)} against {tuple(teacher.shape)}")
    smallest = min(student.shape[2:])
    apart = student - teacher
    loss, weight, total = _mean_square(apart), 1.0, 1.0
    coarse = apart
    for size in (4, 2, 1):
        if size >= smallest:
            continue
        weight /= 2
        averaged = F.adaptive_avg_pool2d(coarse, size)
        loss, total = loss + weight * _mean_square(averaged), total + weight
        if all(side % size == 0 for side in apart.shape[2:]):
            coarse = averaged  # the next scale averages the same positions, all equally
    return loss / total


class _Fusion(nn.Module):
    """A stage's maps, mixed with what comes from below; gives maps for the teacher and what goes on up."""

    def __init__(self, student: int, wide: int, teacher: int, *, first: bool) -> None:
        super().__init__()
        self.enter = _Entrance(
            nn.Conv2d(student, wide, 1, bias=False), nn.BatchNorm2d(wide, momentum=_FOLLOWING)
        )
        self.leave = nn.Sequential(
            nn.Conv2d(wide, teacher, 3, padding=1, bias=False), nn.BatchNorm2d(teacher)
        )
        self.mix = None if first else nn.Conv2d(2 * wide, 2, 1)

    def forward(
        self, maps: Tensor, below: Tensor | None, size: tuple[int, ...]
    ) -> tuple[Tensor, Tensor]:
        kernel, offset = self.enter.folded(maps)
        if self.mix is None or below is None:
            mixed = F.conv2d(maps, kernel[:, :, None, None], offset)
        else:
            mixed = _mixed(maps, below, entrance=(kernel, offset), mix=self.mix)
        if mixed.shape[2:] != tuple(size):
            mixed = F.interpolate(mixed, tuple(size))
        return self.leave(mixed), mixed


class _Entrance(nn.Sequential):
    """1 × 1 convolution and batch norm, which together are one matrix and an offset."""

    def folded(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """``(wide, C)`` and ``(wide,)``; mean and variance of the wide maps follow from those of the narrow ones."""
        convolution, norm = self
        assert isinstance(convolution, nn.Conv2d)  # noqa: S101 - as it was made
        assert isinstance(norm, nn.BatchNorm2d)  # noqa: S101 - likewise
        kernel = convolution.weight.flatten(1)
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None  # noqa: S101 - it keeps them
        assert variance is not None  # noqa: S101 - likewise
        if norm.training:
            mean, variance = _mean_and_variance(maps, kernel)
            count = maps.numel() // maps.shape[1]
            _follow(norm, mean.detach(), variance.detach() * (count / max(1, count - 1)))
        scale = norm.weight * (variance + norm.eps).rsqrt()
        return scale[:, None] * kernel, norm.bias - scale * mean


def _mean_and_variance(maps: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel that the kernel makes of the maps."""
    rows = maps.permute(0, 2, 3, 1).flatten(0, 2)
    centre = rows.mean(0)
    apart = rows - centre.detach()  # the covariance does not change with the centre, to first order
    covariance = apart.T @ apart / len(rows)
    return kernel @ centre, ((kernel @ covariance) * kernel).sum(1)


def _follow(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Update the running mean and variance of a batch norm whose maps were never made."""
    for running, found in ((norm.running_mean, mean), (norm.running_var, variance)):
        assert running is not None  # noqa: S101 - it keeps them
        running.lerp_(found, _FOLLOWING)
    assert norm.num_batches_tracked is not None  # noqa: S101 - likewise
    norm.num_batches_tracked.add_(1)


def _mixed(
    maps: Tensor, below: Tensor, *, entrance: tuple[Tensor, Tensor], mix: nn.Conv2d
) -> Tensor:
    """Shares of a stage and of what came from below."""
    # a share is one number a position: it multiplies before the channels grow, and what comes from below is weighed
    # before it is enlarged
    kernel, offset = entrance
    assert mix.bias is not None  # noqa: S101 - as it was made
    own, lower = mix.weight.flatten(1).chunk(2, 1)
    bias = own @ offset + mix.bias
    shares = F.conv2d(maps, (own @ kernel)[:, :, None, None], bias)
    weighed = F.conv2d(below, lower[:, :, None, None])
    shares = (shares + F.interpolate(weighed, maps.shape[2:])).sigmoid()
    one, other = shares[:, :1], shares[:, 1:]
    narrow = torch.cat([maps * one, one], 1)
    wide = torch.cat([kernel, offset[:, None]], 1)[:, :, None, None]
    return F.conv2d(narrow, wide).add_(F.interpolate(below, maps.shape[2:]) * other)


def _mean_square(maps: Tensor) -> Tensor:
    # the slope of a mean would be a tensor of its own, without the maps' layout in memory
    return maps.square().sum() / maps.numel()


def _as_map(features: Tensor) -> Tensor:
    if features.ndim == 2:
        return features[:, :, None, None]
    if features.ndim != 4:
        raise ShapeError(f"maps (N, C, h, w) were expected, got {tuple(features.shape)}")
    return features


_FOLLOWING = 0.1
