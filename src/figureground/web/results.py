"""A table of what a command has left: lines to sort and filter, each with an image and pictures."""

__all__ = ["MOST", "Cell", "Results", "Row", "chosen", "whole_lines"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Cell: TypeAlias = str | float | int
Row: TypeAlias = tuple[Cell, ...]

MOST = 1000
"""Lines that a page shows at a time."""


@dataclass(frozen=True)
class Results:
    """A table of images.

    Args:
        kind: Of the command.
        columns: Their names; the first is a line's number.
        rows: Lines.
        places: The image of each; None where it is not known.
        pictures: The pictures that the command has made of each, files or their content, with words.
        told: What the command says in a sentence, and what is wrong with the folder.
        label: The column that holds a class.
    """

    kind: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    places: tuple[Path | None, ...]
    pictures: tuple[tuple[tuple[Path, str] | tuple[bytes, str], ...], ...]
    told: tuple[str, ...] = ()
    label: str = "class"

    @property
    def classes(self) -> list[str]:
        """Those that occur, sorted."""
        at = self.columns.index(self.label)
        return sorted({str(row[at]) for row in self.rows})

    @property
    def measures(self) -> list[str]:
        """Columns that hold a number anywhere, the line's number apart."""
        return [
            name
            for at, name in enumerate(self.columns)
            if at and any(isinstance(row[at], float) for row in self.rows)
        ]


def chosen(
    found: Results, label: str | None = None, by: str | None = None, *, lowest_first: bool = False
) -> list[Row]:
    """Lines of a class, in an order.

    Args:
        found: The table.
        label: The class; None for all.
        by: The column that decides; None for the order of the folder.
        lowest_first: Which end comes first. Lines without a number come last either way.

    Returns:
        All of them.

    Examples:
        >>> rows = ((0, "a", 0.5), (1, "b", ""), (2, "a", 0.1), (3, "a", 0.9))
        >>> found = Results("rank", ("#", "class", "score"), rows, (None,) * 4, ((),) * 4)
        >>> [row[0] for row in chosen(found, "a", "score")]
        [3, 0, 2]
        >>> [row[0] for row in chosen(found, by="score", lowest_first=True)]
        [2, 0, 3, 1]
    """
    at = found.columns.index(found.label)
    rows = [row for row in found.rows if label is None or str(row[at]) == label]
    if by is None:
        return rows
    column, sign = found.columns.index(by), 1 if lowest_first else -1

    def key(row: Row) -> float:
        cell = row[column]
        return math.inf if isinstance(cell, str) else sign * float(cell)

    return sorted(rows, key=key)


def whole_lines(file: Path) -> tuple[Sequence[str], tuple[str, ...]]:
    """Lines of a file that grows at its end, which may have been cut short there.

    Args:
        file: Absent, it has no lines.

    Returns:
        The lines that ended, and a sentence where there was more.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is no text.
    """
    if not file.is_file():
        return [], ()
    whole, newline, rest = file.read_bytes().rpartition(b"\n")  # the rest may end inside a letter
    lines = whole.decode().split("\n") if newline else []
    told = f"The last line of {file.name} was cut short and is left out: run the command again to complete it."
    return lines, (told,) if rest else ()
