"""Differences over seeds: pairs of equal seed only, SciPy's interval."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from figureground.studies.comparison.measures import Findings, RunValues, over_seeds


def rows_of(values: RunValues, reference: str) -> list[list[Any]]:
    """Rows of the table; none where there is no table."""
    found = Findings(values=values)
    over_seeds(found, reference)
    return [row for table in found.tables for row in table["rows"]]


def test_runs_of_equal_seed_are_paired_and_others_left_out():
    values = {"accuracy ↑": {"plain": {0: 0.5, 2: 0.7, 1: 0.6}, "bg": {2: 0.9, 1: 0.7, 5: 0.1}}}
    rows = rows_of(values, "plain")
    ((arm, less, measure, gap, low, high, seeds, differs),) = rows
    assert (arm, less, measure, seeds, differs) == ("bg", "plain", "accuracy ↑", 2, False)
    wanted = stats.ttest_rel([0.7, 0.9], [0.6, 0.7]).confidence_interval(0.95)
    assert gap == pytest.approx(np.mean([0.1, 0.2]), abs=1e-4)
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=1e-4)


def test_a_clear_difference_is_said_to_differ():
    values = {"ECE ↓": {"a": {0: 0.1, 1: 0.2, 2: 0.3}, "b": {0: 0.2, 1: 0.301, 2: 0.4}}}
    rows = rows_of(values, "a")
    assert rows[0][-1] is True


def test_without_two_shared_seeds_there_is_no_table():
    assert rows_of({"accuracy ↑": {"a": {0: 0.5}, "b": {0: 0.6}}}, "a") == []
