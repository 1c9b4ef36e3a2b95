"""Loops as machine code."""

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import figureground.maps.compiled as module
from figureground.maps.compiled import compiled


def squares(values: np.ndarray) -> float:
    total = 0.0
    for value in values:
        total += value * value
    return total


def test_compiled_loops_give_what_the_plain_ones_give():
    values = np.arange(5.0)
    fast = compiled(squares)
    assert fast(values) == squares(values) == 30.0
    assert isinstance(fast, Dispatcher)
    assert len(fast.signatures) == 1  # machine code was made, for one kind of argument


def test_loops_are_compiled_also_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def njit(**options: bool | str):
        asked.append(options.get("cache", False))
        if asked[-1]:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda loops: loops

    monkeypatch.setattr(module, "njit", njit)
    assert compiled(squares) is squares
    assert asked == [True, False]
