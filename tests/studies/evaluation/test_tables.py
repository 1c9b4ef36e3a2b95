"""Tables of means, intervals and differences."""

import numpy as np
import pytest

from figureground.studies.evaluation.tables import (
    Measure,
    difference_table,
    interval_table,
    mean_curves,
    mean_of,
    mean_table,
)

TABLE = {
    "a/x": np.array([0.0, 1.0, np.nan, 1.0]),
    "b/x": np.array([0.5, 1.5, 0.0, 1.5]),
    "c/x": np.full(4, np.nan),
}
X = (Measure("x", "x ↑"),)


def test_means_leave_undefined_values_out_and_say_nothing_where_all_are():
    table = mean_table(TABLE.__getitem__, ["a", "c"], X, title="", caption="")
    assert table["columns"] == ["method", "x ↑"]
    assert table["rows"] == [["a", 0.6667], ["c", None]]


def test_intervals_count_what_they_leave_out():
    rows = interval_table(TABLE.__getitem__, ["a", "c"], X, title="", seed=0)["rows"]
    assert isinstance(rows, list)
    method, measure, mean, low, high, images, undefined = rows[0]
    assert (method, measure, mean, images, undefined) == ("a", "x ↑", 0.6667, 3, 1)
    assert 0 <= low <= mean <= high <= 1
    assert rows[1] == ["c", "x ↑", None, None, None, 0, None]


def test_difference_is_that_of_the_pairs_that_both_define():
    rows = difference_table(TABLE.__getitem__, {"b": "a", "c": "a"}, X, title="", seed=0)["rows"]
    assert rows == [
        ["b", "a", "x ↑", 0.5, 0.5, 0.5, 3, True],
        ["c", "a", "x ↑", None, None, None, 0, None],
    ]


def test_a_method_does_not_differ_from_itself():
    rows = difference_table(TABLE.__getitem__, {"b": "b"}, X, title="", seed=0)["rows"]
    assert isinstance(rows, list)
    assert rows[0][-1] is False


def test_truth_values_are_numbers_too():
    found = mean_of(np.array([True, False, True, True]), seed=0)
    assert found is not None
    assert found.mean == pytest.approx(0.75)


def test_mean_curves_leave_out_undefined_images_and_rows():
    curves = {
        "a/c": np.array([[0.0, 1.0], [1.0, 2.0], [np.nan, 5.0]]),
        "b/c": np.full((2, 2), np.nan),
    }
    found = mean_curves(curves.__getitem__, ["a", "b"], "c", x=[0.0, 0.5])
    assert found == {"a": [(0.0, 0.5), (0.5, 1.5)]}
