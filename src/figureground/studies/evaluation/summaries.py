"""Per-image numbers as tables: means with intervals, and differences between methods on the same images."""

__all__ = [
    "Column",
    "difference_table",
    "interval_cells",
    "interval_table",
    "mean_of",
    "mean_table",
]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from figureground.metrics.intervals import Interval, bootstrap_interval, paired_difference

Read = Callable[[str], np.ndarray]
"""Name of a column -> its values ``(images,)``."""

Rows = list[list[object]]


@dataclass(frozen=True)
class Column:
    """A measure as it stands in a table.

    Args:
        key: As the numbers are kept, after the method's name.
        title: As it is printed, with the direction that is good.
    """

    key: str
    title: str


def mean_of(values: np.ndarray, *, seed: int) -> Interval | None:
    """Mean with its bootstrap interval.

    Args:
        values: One per image; NaN where undefined.
        seed: Of the resampling.

    Returns:
        The interval; None where no value is defined.
    """
    numbers = torch.from_numpy(np.asarray(values, np.float64))
    if not bool((~numbers.isnan()).any()):
        return None
    return bootstrap_interval(numbers, seed=seed)


def mean_table(
    read: Read, rows: Sequence[str], columns: Sequence[Column], *, title: str, caption: str
) -> dict[str, Any]:
    """Means only: the table to look at.

    Args:
        read: Gives the values of ``method/key``.
        rows: The methods.
        columns: The measures.
        title: A few words.
        caption: What the numbers are.

    Returns:
        A table as records hold it: title, caption, columns, rows; None where nothing is defined.
    """
    table: Rows = []
    for row in rows:
        values = [read(f"{row}/{column.key}").astype(np.float64) for column in columns]
        table.append([row, *(_mean(value) for value in values)])
    names = ["method", *(column.title for column in columns)]
    return {"title": title, "caption": caption, "columns": names, "rows": table}


def interval_table(
    read: Read, rows: Sequence[str], columns: Sequence[Column], *, title: str, seed: int
) -> dict[str, Any]:
    """One line per method and measure, with the bootstrap interval over images.

    Args:
        read: Gives the values of ``method/key``.
        rows: The methods.
        columns: The measures.
        title: A few words.
        seed: Of the resampling.

    Returns:
        A table as records hold it.
    """
    table: Rows = [
        [row, column.title, *interval_cells(mean_of(read(f"{row}/{column.key}"), seed=seed))]
        for row in rows
        for column in columns
    ]
    names = ["method", "measure", "mean", "low", "high", "images", "undefined"]
    caption = (
        "95 % percentile bootstrap over images, 2,000 resamples; undefined: blank maps, left out."
    )
    return {"title": title, "caption": caption, "columns": names, "rows": table}


def difference_table(
    read: Read, methods: Mapping[str, str], columns: Sequence[Column], *, title: str, seed: int
) -> dict[str, Any]:
    """Each method less its reference on the same images.

    Args:
        read: Gives the values of ``method/key``.
        methods: Method -> its reference.
        columns: The measures.
        title: A few words.
        seed: Of the resampling.

    Returns:
        A table as records hold it; where the interval does not hold 0 the last cell is true.
    """
    table: Rows = []
    for method, reference in methods.items():
        for column in columns:
            found = _difference(read, (method, reference), column.key, seed=seed)
            cells = interval_cells(found)[:4]
            differs = None if found is None else not found.low <= 0 <= found.high
            table.append([method, reference, column.title, *cells, differs])
    names = ["method", "less", "measure", "difference", "low", "high", "images", "differs"]
    caption = "Mean difference over images that both define, 95 % bootstrap interval of the pairs."
    return {"title": title, "caption": caption, "columns": names, "rows": table}


def interval_cells(found: Interval | None) -> list[object]:
    """An interval as cells of a table.

    Args:
        found: The interval; None where nothing is defined.

    Returns:
        Mean, low, high, number of images, number of undefined values.
    """
    if found is None:
        return [None, None, None, 0, None]
    return [
        *(round(value, 4) for value in (found.mean, found.low, found.high)),
        found.images,
        found.undefined,
    ]


def _difference(read: Read, pair: tuple[str, str], key: str, *, seed: int) -> Interval | None:
    first, second = (torch.from_numpy(read(f"{one}/{key}").astype(np.float64)) for one in pair)
    if bool((first - second).isnan().all()):
        return None
    return paired_difference(first, second, seed=seed)


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return round(float(known.mean()), 4) if len(known) else None
