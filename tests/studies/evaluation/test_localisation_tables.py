from typing import Any

import numpy as np
import pytest

from figureground.studies.evaluation.localisation_measures import LocalisationGrid
from figureground.studies.evaluation.localisation_results import Parts, RowResult
from figureground.studies.evaluation.localisation_tables import localisation_tables, pixel_tables

GRID = LocalisationGrid()
KEYS = (
    *(f"box {one:g}" for one in GRID.overlaps),
    *("v2", "top-1", "top-5", "zhou", "zhou top-1", "zhou top-5", "pointing", "energy", "blank"),
)


def result(value: float, spread: float = 10.0) -> RowResult:
    values = value + spread * np.random.default_rng(0).standard_normal(50)
    return RowResult(
        dict.fromkeys(KEYS, values),
        {0.3: 0.1, 0.5: 0.2, 0.7: 0.3},
        dict.fromkeys(GRID.overlaps, (value + 1, 0.25)),
        value + 2,
        np.zeros((3, 100)),
        (10, 20, 30),
    )


@pytest.fixture
def tables() -> tuple[dict[str, Any], ...]:
    rows = {"a": result(40.0), "b": result(60.0)}
    return localisation_tables(rows, reference="a", grid=GRID, seed=0, words="As it was.")


def test_frozen_comes_first_and_the_oracle_is_called_so(tables: tuple[dict[str, Any], ...]):
    frozen, oracle = tables[:2]
    assert "frozen on the validation part" in str(frozen["title"])
    assert str(oracle["title"]).startswith("Oracle")
    assert "As it was." in str(frozen["caption"])
    a, b = frozen["rows"]
    assert b[1] - a[1] == pytest.approx(20)
    assert a[-1] == "0.1, 0.2, 0.3"
    assert oracle["rows"][0] == ["a", 41.0, 41.0, 41.0, 42.0, "0.25, 0.25, 0.25"]


def test_differences_are_paired_with_the_reference(tables: tuple[dict[str, Any], ...]):
    rows = tables[3]["rows"]
    assert {(row[0], row[1]) for row in rows} == {("b", "a")}
    # the two rows differ by exactly 20 on every picture, so the paired interval has no width
    assert all(row[3:6] == [20.0, 20.0, 20.0] and row[-1] is True for row in rows)


def test_intervals_hold_the_mean(tables: tuple[dict[str, Any], ...]):
    for row in tables[2]["rows"]:
        assert row[3] < row[2] < row[4]
    assert len(tables[2]["rows"]) == 2 * len(KEYS)


def test_a_measure_that_is_nowhere_defined_is_an_empty_cell():
    undefined = result(40.0)
    undefined.measures["top-1"] = np.full(50, np.nan)
    frozen = localisation_tables({"a": undefined}, reference="a", grid=GRID, seed=0, words="")[0]
    assert frozen["rows"][0][frozen["columns"].index("Top-1 loc")] is None


def test_pixels_are_a_table_only_where_there_are_masks():
    parts = Parts(np.arange(2), np.arange(2, 6))
    counts = np.zeros((6, 2, 4), np.int32)
    counts[:, 0, 3], counts[:, 1, 0] = 5, 9  # all Any pixels score high, all others low
    (table,) = pixel_tables({"a/pixels": counts}, ["a"], parts, seed=0)
    assert table["rows"] == [["a", 100.0, 100.0, 100.0]]
    assert pixel_tables({}, ["a"], parts, seed=0) == ()
