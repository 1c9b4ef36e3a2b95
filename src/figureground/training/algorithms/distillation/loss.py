"""What every distillation loss is: a plain module, and the facts by which a recipe may choose it."""

__all__ = ["DistillationLoss", "Shapes", "exact", "matched_sizes", "pooled"]

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.paper import Paper

Loss = TypeVar("Loss", bound=Callable[..., Tensor])


@dataclass(frozen=True)
class Shapes:
    """Shapes of what the tapped layers return for one image, student's and teacher's pairs in order.

    Args:
        student: Each ``(C, h, w)`` or ``(D,)``.
        teacher: As many.

    Raises:
        ShapeError: They are not as many.
    """

    student: tuple[tuple[int, ...], ...]
    teacher: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if len(self.student) != len(self.teacher):
            raise ShapeError(
                f"{len(self.student)} layers of the student against {len(self.teacher)} of the teacher: "
                "they are compared in pairs"
            )

    def channels(self) -> list[tuple[int, int]]:
        """Channels of student and teacher for each pair.

        Returns:
            One pair of numbers for each pair of layers.

        Raises:
            ShapeError: A layer gives neither maps nor vectors.
        """
        for shape in (*self.student, *self.teacher):
            if len(shape) not in {1, 3}:
                raise ShapeError(
                    f"a layer gives {shape} for an image; maps (C, h, w) or vectors (D,) can be compared"
                )
        return [(one[0], other[0]) for one, other in zip(self.student, self.teacher, strict=True)]


class DistillationLoss(nn.Module):
    """Base of all distillation losses.

    Attributes:
        name: As recipes write it.
        paper: Where it comes from.
        looks_at: What ``forward`` takes, from student and teacher: ``logits``; ``labelled logits`` (and the labels);
            ``middle map`` or ``last map``, one output of a layer each; ``maps``, lists of them; ``indices``, one output
            each and the indices of the images in the training data.
        gamma: Usual weight of the cross-entropy beside it.
        weight: Usual weight, for batches of 64.
        ramp: Share of the run in which its weight usually grows from 0.
        tunable: Words of the constructor that a recipe may set, and their kinds.
    """

    name: ClassVar[str] = "none"
    paper: ClassVar[Paper | None] = None
    looks_at: ClassVar[
        Literal["logits", "labelled logits", "middle map", "last map", "maps", "indices"]
    ] = "last map"
    gamma: ClassVar[float] = 1.0
    weight: ClassVar[float] = 1.0
    ramp: ClassVar[float] = 0.0
    tunable: ClassVar[Mapping[str, type[int] | type[float]]] = MappingProxyType({})

    @classmethod
    def fitted(
        cls,
        shapes: Shapes,  # noqa: ARG003 - for losses with weights of their own
        options: Mapping[str, Any],
    ) -> "DistillationLoss":
        """The loss for layers of these shapes.

        Args:
            shapes: Of the tapped layers.
            options: Words of ``tunable``.

        Returns:
            The loss.
        """
        return cls(**cls.checked(options))

    @classmethod
    def checked(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options, each of them known and of its kind.

        Args:
            options: As a recipe has them.

        Returns:
            The same.

        Raises:
            OptionError: One is unknown, negative or not finite, or is no whole number above 0 where it must be.
        """
        strange = [word for word in options if word not in cls.tunable]
        if strange:
            kind = f"option of the loss '{cls.name}'"
            error: OptionError = unknown_option(kind, strange[0], cls.tunable)
            raise error
        for word, value in options.items():
            if not 0 <= value < float("inf"):
                raise OptionError(f"{word} of the loss '{cls.name}' is 0 or above, got {value}")
            if cls.tunable[word] is int and (value != int(value) or value < 1):
                raise OptionError(
                    f"{word} of the loss '{cls.name}' is a whole number above 0, got {value}"
                )
        return {word: cls.tunable[word](value) for word, value in options.items()}


def exact(loss: Loss) -> Loss:
    """A loss's ``forward`` in float32, whatever precision the networks run in.

    Args:
        loss: The method.

    Returns:
        The method; float16 and bfloat16 arguments arrive as float32.
    """

    @functools.wraps(loss)
    def computed(self: nn.Module, *arguments: object) -> Tensor:
        wide = [_widened(argument) for argument in arguments]
        device = next(one for one in _tensors(wide)).device.type
        with torch.autocast(device, enabled=False):
            return loss(self, *wide)

    return computed  # type: ignore[return-value]  # the same signature


def pooled(features: Tensor) -> Tensor:
    """Vectors of what a layer returns: maps are averaged over their positions.

    Args:
        features: ``(N, C, h, w)`` or ``(N, D)``.

    Returns:
        ``(N, C)`` or ``(N, D)``.

    Raises:
        ShapeError: Neither.
    """
    if features.ndim == 4:
        return features.mean((2, 3))
    if features.ndim == 2:
        return features
    raise ShapeError(
        f"maps (N, C, h, w) or vectors (N, D) were expected, got {tuple(features.shape)}"
    )


def matched_sizes(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Two maps with the smaller one's number of rows and of columns; the larger one is averaged.

    Args:
        student: ``(N, C, h, w)``.
        teacher: ``(N, D, h', w')``.

    Returns:
        Both, as large.

    Raises:
        ShapeError: They are not maps of the same images.
    """
    if student.ndim != 4 or teacher.ndim != 4 or len(student) != len(teacher):
        raise ShapeError(
            f"maps (N, C, h, w) of the same images were expected, got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}"
        )
    size = (min(student.shape[2], teacher.shape[2]), min(student.shape[3], teacher.shape[3]))
    one, other = (
        maps if tuple(maps.shape[2:]) == size else F.adaptive_avg_pool2d(maps, size)
        for maps in (student, teacher)
    )
    return one, other


def _widened(argument: Any) -> Any:  # noqa: ANN401 - tensors and lists of them
    if isinstance(argument, Tensor):
        return argument.float() if argument.dtype in {torch.float16, torch.bfloat16} else argument
    return [_widened(one) for one in argument]


def _tensors(arguments: list[Any]) -> list[Tensor]:
    """The tensors, those in lists included."""
    return [one for part in arguments for one in ([part] if isinstance(part, Tensor) else part)]
