"""Losses that look at feature maps."""

__all__ = ["AttentionTransferLoss", "HintLoss", "NSTLoss", "VIDLoss"]

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from figureground.base.errors import OptionError, ShapeError
from figureground.base.paper import Paper
from figureground.training.algorithms.distillation.loss import (
    DistillationLoss,
    Shapes,
    exact,
    matched_sizes,
)


class HintLoss(DistillationLoss):
    """FitNet: mean square difference of a middle map and the student's, brought to its channels.

    Args:
        student: Channels of the student's map.
        teacher: Of the teacher's.

    References:
        Romero, Ballas, Kahou, Chassang, Gatta, Bengio (2015). FitNets: Hints for thin deep nets. ICLR,
        arXiv:1412.6550. *Differs:* as in the standard benchmark, together with the cross-entropy instead of before
        it, and the regressor is 1 × 1 convolution, batch norm, ReLU; where sizes differ, the larger map is averaged.
    """

    name = "hint"
    paper = Paper(
        "Romero, Ballas, Kahou, Chassang, Gatta, Bengio",
        "FitNets: Hints for thin deep nets",
        2015,
        "ICLR, arXiv:1412.6550",
    )
    looks_at = "middle map"
    weight = 100.0

    def __init__(self, student: int, teacher: int) -> None:
        super().__init__()
        self.regressor = nn.Sequential(
            nn.Conv2d(student, teacher, 1), nn.BatchNorm2d(teacher), nn.ReLU()
        )

    @classmethod
    def fitted(cls, shapes: Shapes, options: Mapping[str, Any]) -> "HintLoss":
        """The loss for the last pair of layers.

        Args:
            shapes: Of the layers.
            options: None is known.

        Returns:
            The loss.
        """
        return cls(*shapes.channels()[-1], **cls.checked(options))

    @exact
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss.

        Args:
            student: ``(N, C, h, w)``.
            teacher: ``(N, D, h', w')``.

        Returns:
            A number in [0, ∞).
        """
        one, other = matched_sizes(student, teacher)
        return F.mse_loss(self.regressor(one), other)


class AttentionTransferLoss(DistillationLoss):
    """Mean square difference of the maps of where the channels are strong, each of length 1; summed over layers.

    References:
        Zagoruyko, Komodakis (2017). Paying more attention to attention. ICLR, arXiv:1612.03928. *Differs:* as in the
        authors' code and the benchmark, the mean of squares and not the length of the difference.

    Examples:
        >>> left, right = (
        ...     torch.tensor([[[[1.0, 0.0]]]]),
        ...     torch.tensor([[[[0.0, 1.0]], [[0.0, 2.0]]]]),
        ... )
        >>> float(AttentionTransferLoss()([left], [right]))
        1.0
    """

    name = "at"
    paper = Paper(
        "Zagoruyko, Komodakis", "Paying more attention to attention", 2017, "ICLR, arXiv:1612.03928"
    )
    looks_at = "maps"
    weight = 1000.0

    @exact
    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """The loss.

        Args:
            student: Maps ``(N, C, h, w)``.
            teacher: As many maps.

        Returns:
            A number in [0, ∞).
        """
        terms = []
        for pair in _pairs(student, teacher):
            one, other = (F.normalize(maps.square().sum(1).flatten(1)) for maps in pair)
            terms.append((one - other).square().mean())
        return torch.stack(terms).sum()


class NSTLoss(DistillationLoss):
    """Maximum mean discrepancy of the channels, as patterns of length 1, under the kernel ``(a · b)²``; over layers.

    References:
        Huang, Wang (2017). Like what you like: Knowledge distill via neuron selectivity transfer. arXiv:1707.01219.

    Examples:
        >>> maps = torch.rand(2, 3, 4, 5)
        >>> abs(float(NSTLoss()([maps], [maps]))) < 1e-6
        True
    """

    name = "nst"
    paper = Paper("Huang, Wang", "Like what you like", 2017, "arXiv:1707.01219")
    looks_at = "maps"
    weight = 50.0

    @exact
    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """The loss.

        Args:
            student: Maps ``(N, C, h, w)``.
            teacher: As many maps.

        Returns:
            A number in [0, ∞) up to rounding.
        """
        terms = []
        for pair in _pairs(student, teacher):
            s, t = pair
            own, other, between = _products(s, s), _products(t, t), _products(s, t)
            a, b = _inverse_lengths(own), _inverse_lengths(other)
            parts = ((own, a, a, 1), (other, b, b, 1), (between, a, b, -2))
            terms += [
                sign * (products * one[:, :, None] * two[:, None]).square().mean()
                for products, one, two, sign in parts
            ]
        return torch.stack(terms).sum()


class VIDLoss(DistillationLoss):
    """Variational information: how badly the teacher's maps are foretold from the student's, by a learnt Gaussian.

    For each layer the mean of ½ ((t − μ(s))² / σ²_c + log σ²_c); μ is three 1 × 1 convolutions, σ² one number a
    channel.

    Args:
        channels: Of student and teacher, for each pair of layers.
        variance: At the start; above 1e-5.

    Raises:
        OptionError: It is not.

    References:
        Ahn, Hu, Damianou, Lawrence, Dai (2019). Variational information distillation for knowledge transfer. CVPR,
        arXiv:1904.05835.
    """

    name = "vid"
    paper = Paper(
        "Ahn, Hu, Damianou, Lawrence, Dai",
        "Variational information distillation for knowledge transfer",
        2019,
        "CVPR, arXiv:1904.05835",
    )
    looks_at = "maps"
    tunable = MappingProxyType({"variance": float})

    def __init__(self, channels: Sequence[tuple[int, int]], variance: float = 5.0) -> None:
        super().__init__()
        self.means = nn.ModuleList(_foretelling(*pair) for pair in channels)
        if not variance > _LEAST:
            raise OptionError(f"a variance above {_LEAST:g} is needed, got {variance}")
        start = math.log(math.expm1(variance - _LEAST))
        self.scales = nn.ParameterList(torch.full((wide,), start) for _, wide in channels)

    @classmethod
    def fitted(cls, shapes: Shapes, options: Mapping[str, Any]) -> "VIDLoss":
        """The loss for all pairs of layers.

        Args:
            shapes: Of the layers.
            options: ``variance``.

        Returns:
            The loss.
        """
        return cls(shapes.channels(), **cls.checked(options))

    @exact
    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """The loss.

        Args:
            student: Maps ``(N, C, h, w)``, one for each pair of ``channels``.
            teacher: As many maps.

        Returns:
            A number; it may be negative.

        Raises:
            ShapeError: There are more or fewer maps.
        """
        if len(student) != len(self.means):
            raise ShapeError(f"{len(student)} maps for a loss made for {len(self.means)}")
        terms = []
        for pair, mean, scale in zip(
            _pairs(student, teacher), self.means, self.scales, strict=True
        ):
            variance = F.softplus(scale) + _LEAST
            apart = mean(pair[0]) - pair[1]
            # sums, as the slope of a mean would be a tensor of its own, without the maps' layout
            missed = apart.square().sum((0, 2, 3)) / (apart.numel() / len(variance) * variance)
            terms.append(0.5 * (missed + variance.log()).mean())
        return torch.stack(terms).sum()


def _pairs(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Maps layer by layer, as large."""
    if len(student) != len(teacher) or not student:
        raise ShapeError(
            f"{len(student)} maps of the student against {len(teacher)} of the teacher"
        )
    return [matched_sizes(one, other) for one, other in zip(student, teacher, strict=True)]


def _products(one: Tensor, other: Tensor) -> Tensor:
    """``(N, C, D)``: inner products of the channels of two maps, without a copy of either."""
    left, right = (
        maps.permute(0, 2, 3, 1).flatten(1, 2).mT
        if maps.is_contiguous(memory_format=torch.channels_last)
        else maps.flatten(2)
        for maps in (one, other)
    )
    return left @ right.mT


def _inverse_lengths(products: Tensor) -> Tensor:
    """``(N, C)``, from the channels' products with themselves; a channel of zeros stays one."""
    return products.diagonal(dim1=1, dim2=2).clamp_min(1e-24).rsqrt()


def _foretelling(student: int, teacher: int) -> nn.Sequential:
    sizes = ((student, teacher), (teacher, teacher), (teacher, teacher))
    first, second, third = (nn.Conv2d(*size, 1, bias=False) for size in sizes)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)


_LEAST = 1e-5
