"""What per-picture localisation numbers say, as the tables of a record."""

__all__ = ["localisation_tables", "pixel_tables"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from figureground.studies.evaluation.localisation_measures import LocalisationGrid
from figureground.studies.evaluation.localisation_results import (
    Parts,
    RowResult,
    Table,
    pixel_precision,
)
from figureground.studies.evaluation.summaries import Column, difference_table, interval_table


def pixel_tables(
    table: Table, rows: Sequence[str], parts: Parts, *, seed: int
) -> tuple[dict[str, Any], ...]:
    """Pixel average precision of every method, where there are masks.

    Args:
        table: Per-picture columns.
        rows: The methods.
        parts: The division; the test part is judged.
        seed: Of the resampling.

    Returns:
        One table, or none.
    """
    body = []
    for row in rows:
        counts = table.get(f"{row}/pixels")
        if counts is not None and counts[parts.test][:, 0].any():
            found = pixel_precision(counts[parts.test], seed=seed)
            body.append([row, *(round(value, 2) for value in found)])
    if not body:
        return ()
    caption = "Average precision of the map's pixels as a detector of the mask's, 100 thresholds, all test pixels."
    columns = ["method", "PxAP", "low", "high"]
    return ({"title": "Pixels, %", "caption": caption, "columns": columns, "rows": body},)


def localisation_tables(
    results: Mapping[str, RowResult],
    *,
    reference: str,
    grid: LocalisationGrid,
    seed: int,
    words: str,
) -> tuple[dict[str, Any], ...]:
    """The tables of a record.

    Args:
        results: Row -> its numbers.
        reference: Every other row is compared with this one.
        grid: Thresholds and overlaps.
        seed: Of the resampling.
        words: Post-processing and parts, for the captions.

    Returns:
        Frozen thresholds first, the oracle's after it and named so, then intervals and differences.
    """
    columns = _columns(grid)
    rows = list(results)

    def read(name: str) -> np.ndarray:
        row, _, key = name.rpartition("/")
        return results[row].measures[key]

    others = {row: reference for row in rows if row != reference}
    return (
        _frozen_table(results, columns, words),
        _oracle_table(results, grid),
        interval_table(read, rows, columns, title="Intervals, %", seed=seed),
        difference_table(read, others, columns, title=f"Differences from {reference}, points", seed=seed),
    )  # fmt: skip


def _columns(grid: LocalisationGrid) -> list[Column]:
    """Measures as they stand in the tables."""
    boxes = [Column(f"box {one:g}", f"box acc @{one:g}") for one in grid.overlaps]
    return [
        *boxes,
        Column("v2", "box acc V2"),
        Column("top-1", "Top-1 loc"),
        Column("top-5", "Top-5 loc"),
        Column("zhou", "GT-known @20 %"),
        Column("zhou top-1", "Top-1 @20 %"),
        Column("zhou top-5", "Top-5 @20 %"),
        Column("pointing", "pointing"),
        Column("energy", "energy"),
        Column("blank", "blank maps"),
    ]


def _frozen_table(
    results: Mapping[str, RowResult], columns: Sequence[Column], words: str
) -> dict[str, Any]:
    """Means on the test part."""
    body = [
        [
            row,
            *(_mean(result.measures[column.key]) for column in columns),
            ", ".join(f"{at:.2g}" for at in result.thresholds.values()),
        ]
        for row, result in results.items()
    ]
    caption = (
        "Per cent of the test pictures. box acc, Top-k: with the threshold that was best on the validation part "
        "(last column, one for each overlap), GT-known is box acc @0.5; V2: mean over the overlaps, all contours. "
        "@20 %: the threshold of Zhou et al. (2016), the same box rule, overlap 0.5. pointing: peak in a box or near; "
        f"energy: share of the mass in the boxes. A blank map misses. {words}"
    )
    names = ["method", *(column.title for column in columns), "thresholds"]
    title = "Localisation, thresholds frozen on the validation part, %"
    return {"title": title, "caption": caption, "columns": names, "rows": body}


def _oracle_table(results: Mapping[str, RowResult], grid: LocalisationGrid) -> dict[str, Any]:
    """Best on the test part itself."""
    body = [
        [
            row,
            *(round(result.oracle[one][0], 2) for one in grid.overlaps),
            round(result.oracle_v2, 2),
            ", ".join(f"{result.oracle[one][1]:.2g}" for one in grid.overlaps),
        ]
        for row, result in results.items()
    ]
    names = [f"MaxBoxAcc @{one:g}" for one in grid.overlaps]
    return {
        "title": "Oracle: thresholds that are best on the test pictures themselves, %",
        "caption": "Upper bounds that nobody could have reached without the answers, to compare with papers only.",
        "columns": ["method", *names, "MaxBoxAccV2", "thresholds"],
        "rows": body,
    }


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(known.mean()), 2) if len(known) else None
