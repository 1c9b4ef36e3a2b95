"""Loops as machine code."""

import numba
import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

from figureground.maps import component_tree as module
from figureground.maps.component_tree import compiled


def squares(values: np.ndarray) -> float:
    total = 0.0
    for value in values:
        total += value * value
    return total


@compiled
def twice(value: float) -> float:
    return 2 * value


@compiled
def twice_all(values: np.ndarray) -> float:
    total = 0.0
    for value in values:
        total += twice(value)
    return total


def test_compiled_loops_give_what_the_plain_ones_give():
    values = np.arange(5.0)
    loop = compiled(squares)
    assert loop(values) == squares(values) == 30.0
    assert loop.__name__ == "squares"
    assert isinstance(loop, module._Loop)
    made = loop.machine_code()
    assert isinstance(made, Dispatcher)
    assert len(made.signatures) == 1  # machine code was made, for one kind of argument


def test_loops_of_one_file_call_one_another():
    before = twice_all
    assert before(np.arange(4.0)) == 12.0
    assert before(np.arange(3.0)) == 6.0
    assert isinstance(twice, Dispatcher)
    assert isinstance(twice_all, Dispatcher)


def test_loops_are_compiled_also_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def njit(**options: bool | str):
        asked.append(options.get("cache", False))
        if asked[-1]:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda loops: loops

    monkeypatch.setattr(numba, "njit", njit)
    assert module._machine_code(squares) is squares
    assert asked == [True, False]
