"""Loops over arrays as machine code."""

__all__ = ["compiled"]

from collections.abc import Callable
from functools import update_wrapper
from inspect import unwrap
from typing import Any, TypeVar, cast

_Loops = TypeVar("_Loops", bound=Callable[..., object])


def compiled(loops: _Loops) -> _Loops:
    """The same function, compiled by numba at its first call and kept on disk for the next process.

    Where no folder can be written to, it is compiled anew in each process. A function that calls another one
    must live in the same file: what is kept on disk is renewed only when its own file changes. Numba is imported at the
    first call too, since that takes most of a second.

    Args:
        loops: A function of arrays, numbers and named tuples of these, in what numba knows of Python.

    Returns:
        The function; it does not hold Python's lock while it runs.

    Examples:
        >>> import numpy as np
        >>> @compiled
        ... def total(values: np.ndarray) -> int:
        ...     found = 0
        ...     for value in values:
        ...         found += value
        ...     return found
        >>> int(total(np.arange(5)))
        10
    """
    return cast("_Loops", _Loop(unwrap(loops)))  # tests wrap functions in a check of annotations


class _Loop:
    """A function that is replaced by its machine code once it is called."""

    def __init__(self, plain: Callable[..., Any]) -> None:
        self.plain = plain
        self.fast: Callable[..., Any] | None = None
        update_wrapper(self, plain)

    def __call__(self, *given: object) -> object:
        if self.fast is None:
            _replace_loops(self.plain.__globals__)
        return self.machine_code()(*given)

    def machine_code(self) -> Callable[..., Any]:
        """The function as numba makes it, made once."""
        if self.fast is None:
            self.fast = _machine_code(self.plain)
        return self.fast


def _replace_loops(names: dict[str, Any]) -> None:
    """Put machine code in the place of all loops of a file, which call one another by these names."""
    for name, value in list(names.items()):
        if isinstance(value, _Loop) and value.plain.__globals__ is names:
            names[name] = value.machine_code()


def _machine_code(plain: Callable[..., Any]) -> Callable[..., Any]:
    """What numba makes of a function, when it is called."""
    from numba import njit  # noqa: PLC0415 - slow to import

    try:
        done = njit(cache=True, nogil=True, error_model="numpy")(plain)
    except RuntimeError:  # nowhere to keep it
        done = njit(nogil=True, error_model="numpy")(plain)
    return cast("Callable[..., Any]", done)
