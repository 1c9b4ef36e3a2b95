"""One tensor operation: how it was called, and what has to be remembered to go back through it."""

__all__ = ["Call", "Description", "Kind"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from torch import Tensor


class Kind(Enum):
    """How an element of an operation's result goes back to elements of its operands."""

    LEAF = "leaf"  # nothing behind it: an input, a weight, a constant
    SAME = "same"  # same element of the first operand
    PERMUTE = "permute"
    SLICE = "slice"
    SELECT = "select"
    EXPAND = "expand"
    PAD = "pad"
    CAT = "cat"
    STACK = "stack"
    EITHER = "either"  # a sum or a maximum: the operand that is larger there
    PRODUCT = "product"  # the operand that is not a gate
    CONV = "conv"
    LINEAR = "linear"
    POOL_MAX = "max pool"
    POOL_AVG = "average pool"
    POOL_ADAPTIVE = "adaptive average pool"
    REDUCE = "reduce"  # mean, sum or maximum over whole axes
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Call:
    """One operation as it was called.

    Args:
        name: Its aten name without overload ("convolution", "relu_").
        args: Positional arguments.
        kwargs: Keyword arguments.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def stem(self) -> str:
        """The name without the underscore of the in-place form."""
        return self.name[:-1] if self.in_place else self.name

    @cached_property
    def in_place(self) -> bool:
        """Whether the first argument is overwritten."""
        return self.name.endswith("_") and not self.name.endswith("__")

    def get(self, position: int, default: Any) -> Any:  # noqa: ANN401 - an aten argument
        """The positional argument, or the default where the call stopped short of it."""
        return self.args[position] if len(self.args) > position else default

    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor among the arguments, lists opened."""
        found: list[Tensor] = []
        for value in (*self.args, *self.kwargs.values()):
            parts = value if isinstance(value, list | tuple) else (value,)
            found.extend(part for part in parts if isinstance(part, Tensor))
        return tuple(found)


@dataclass(frozen=True)
class Description:
    """What has to be remembered of a call.

    Args:
        kind: How to go back.
        operands: The tensors that one can go back to.
        saved: Values needed for it, sharing memory with the network's own tensors where possible.
        settings: Parameters of the operation: strides, dimensions and the like.
    """

    kind: Kind
    operands: tuple[Tensor, ...]
    saved: tuple[Tensor, ...] = ()
    settings: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
