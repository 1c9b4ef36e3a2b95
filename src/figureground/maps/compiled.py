"""Loops over arrays as machine code."""

__all__ = ["compiled"]

import inspect
from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

_Loops = TypeVar("_Loops", bound=Callable[..., object])


def compiled(loops: _Loops) -> _Loops:
    """The same function, compiled by numba at its first call and kept on disk for the next process.

    Where no folder can be written to, it is compiled anew in each process. A function that calls another one
    must live in the same file: what is kept on disk is renewed only when its own file changes.

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
    plain = inspect.unwrap(loops)  # tests wrap every function in a check of its annotations
    try:
        done = njit(cache=True, nogil=True, error_model="numpy")(plain)
    except RuntimeError:  # nowhere to keep it
        done = njit(nogil=True, error_model="numpy")(plain)
    return cast("_Loops", done)
