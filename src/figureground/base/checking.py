"""Arguments of public functions, checked where users call: kind, rank and sizes, as the annotations say."""

__all__ = ["checked"]

import collections.abc
import inspect
import numbers
from collections.abc import Callable, Mapping
from functools import cache, wraps
from types import UnionType
from typing import (
    Any,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    no_type_check,
)

import numpy as np
from jaxtyping import AbstractArray, jaxtyped
from torch import Tensor

from figureground.base.errors import FigureGroundError, OptionError, ShapeError

_P = ParamSpec("_P")
_R = TypeVar("_R")

_NUMBERS: dict[Any, Any] = {int: numbers.Integral, float: numbers.Real, bool: (bool, np.bool_)}
_CONTAINERS = {tuple, list, collections.abc.Sequence}


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The same function, which refuses arguments that are not what its annotations say.

    Tensors and arrays are checked for kind, rank and type of their numbers; a size that occurs twice, such as the
    number of images, must be the same. Numbers of NumPy count as numbers.

    Args:
        function: Any function with annotations.

    Returns:
        The function. It raises a ShapeError for a wrong tensor or array, an OptionError for any other wrong argument.

    Examples:
        >>> from jaxtyping import Float
        >>> @checked
        ... def mean(values: Float[Tensor, "N"]) -> float:
        ...     return float(values.mean())
        >>> mean(None)
        Traceback (most recent call last):
        ...
        figureground.base.errors.ShapeError: mean: 'values' is a float tensor of shape (N), not None
    """
    signature = inspect.signature(function)
    hints = cache(lambda: get_type_hints(function))
    called = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]

    @wraps(function)
    def call(*args: _P.args, **named: _P.kwargs) -> _R:
        bound = signature.bind(*args, **named)
        given = bound.arguments
        wanted = {name: hints()[name] for name in given if name in hints()}
        for name, hint in wanted.items():
            if not _fits(given[name], hint):
                raise _error(hint)(
                    f"{called}: '{name}' is {_wanted(hint)}, not {_shown(given[name])}"
                )
            if hint in _NUMBERS:  # numbers of NumPy become Python's
                given[name] = hint(given[name])
        with jaxtyped("context"):  # a size of the same name must be the same
            together = all(_fits(given[name], hint) for name, hint in wanted.items())
        if together:
            return function(*bound.args, **bound.kwargs)
        try:
            function(*bound.args, **bound.kwargs)  # which may say it better
        except FigureGroundError:
            raise
        except Exception as error:
            raise ShapeError(_sizes(called, given, wanted)) from error
        raise ShapeError(_sizes(called, given, wanted))

    return call


@no_type_check  # a check of its own arguments would begin with sizes of its own
def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - annotations have no type of their own
    """Whether a value is what an annotation says; true where that cannot be told."""
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        return any(_fits(value, one) for one in get_args(hint))
    if origin in _CONTAINERS:
        return _is_list(value) and _items_fit(value, get_args(hint))
    if origin is collections.abc.Callable:
        return callable(value)
    kind = _NUMBERS.get(hint, origin or hint)
    return isinstance(value, kind) if isinstance(kind, type | tuple) else True


def _is_list(value: object) -> bool:
    """Whether this has items in an order; text has not."""
    return isinstance(value, collections.abc.Sequence) and not isinstance(value, str | bytes)


@no_type_check  # as above
def _items_fit(values: Any, hints: tuple[Any, ...]) -> bool:  # noqa: ANN401 - whatever was given
    """Whether the items are what the annotation says; a pair has two."""
    if len(hints) > 1 and hints[1] is not Ellipsis:
        return len(values) == len(hints) and all(map(_fits, values, hints))
    return all(_fits(one, hints[0]) for one in values) if hints else True


def _is_array(hint: Any) -> bool:  # noqa: ANN401 - as above
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _error(hint: Any) -> type[FigureGroundError]:  # noqa: ANN401 - as above
    """A ShapeError where a tensor or array is among what is wanted."""
    return ShapeError if any(map(_is_array, (hint, *get_args(hint)))) else OptionError


def _sizes(function: str, given: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The message for sizes that differ where they should be the same."""
    shown = [
        f"'{name}' {_wanted(hint)}: {_shown(given[name])}"
        for name, hint in wanted.items()
        if _error(hint) is ShapeError and given[name] is not None
    ]
    return f"{function}: sizes do not go together; {'; '.join(shown)}"


def _wanted(hint: Any) -> str:  # noqa: ANN401 - as above
    """An annotation in words."""
    parts = get_args(hint)
    if get_origin(hint) in {Union, UnionType}:
        return " or ".join(dict.fromkeys(map(_wanted, parts)))
    if get_origin(hint) in _CONTAINERS:
        return f"a list of {_wanted(parts[0])}" if parts else "a list"
    if _is_array(hint):
        return _array_wanted(hint)
    name = hint.__name__ if isinstance(hint, type) and not parts else str(hint)
    return name.replace("NoneType", "None")


def _array_wanted(hint: Any) -> str:  # noqa: ANN401 - as above
    kind = "tensor" if hint.array_type is Tensor else "array"
    kinds = {"Float": "float ", "Int": "integer ", "Bool": "true/false "}
    of = kinds.get(hint.__name__.partition("[")[0], "")
    article = "an" if (of or kind)[0] in "ai" else "a"
    return f"{article} {of}{kind} of shape ({hint.dim_str.strip()})"


def _shown(value: object) -> str:
    """What was given, short."""
    if isinstance(value, Tensor | np.ndarray):
        kind = "tensor" if isinstance(value, Tensor) else "array"
        numbers_of = str(value.dtype).removeprefix("torch.")
        shape = " ".join(map(str, value.shape))
        return f"{'a' if kind == 'tensor' else 'an'} {kind} of {numbers_of} of shape ({shape})"
    return "None" if value is None else f"{type(value).__name__} {str(value)[:60]!r}"
