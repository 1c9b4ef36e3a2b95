"""Boxes from a CSV file with a row for each box."""

__all__ = ["looks_like_csv", "read_csv"]

import csv
from collections.abc import Mapping
from pathlib import Path

from figureground.base.errors import DataError
from figureground.data.annotations.entries import Problem, RawEntry
from figureground.data.annotations.image_finder import ImageFinder

_CORNERS = ("x0", "y0", "x1", "y1")
_COLUMNS = ("path", "label", *_CORNERS)


def looks_like_csv(source: Path) -> bool:
    """Whether this is a CSV file.

    Args:
        source: A file or folder.

    Returns:
        True for a file whose name ends in ``.csv``.
    """
    return source.is_file() and source.suffix.lower() == ".csv"


def read_csv(source: Path, finder: ImageFinder) -> tuple[list[RawEntry], list[Problem]]:
    """The entries of a CSV file, one for each path and label, in the order they first occur.

    The first line names the columns ``path,label,x0,y0,x1,y1``, in any order, among others or not.
    Corners are pixels, half-open. Four empty corners make an image without box; an empty label is
    none.

    Args:
        source: The ``.csv`` file, UTF-8.
        finder: Where the paths are looked for.

    Returns:
        Raw entries and the rows that could not be used.

    Raises:
        DataError: It cannot be read, or a column is missing.
    """
    boxes: dict[tuple[str, str | None], list[tuple[float, ...]]] = {}
    lines: dict[tuple[str, str | None], int] = {}
    problems: list[Problem] = []
    for line, row in _rows(source):
        try:
            path, box = _filled(row, "path"), _box(row)
        except ValueError as error:
            problems.append(Problem("bad-row", f"{source.name} line {line}", f"left out: {error}"))
            continue
        key = (path, row["label"] or None)
        boxes.setdefault(key, []).extend([box] if box else [])
        lines.setdefault(key, line)
    entries = [
        RawEntry(f"{source.name} line {lines[key]}", finder.find(key[0]), key[1], tuple(marked))
        for key, marked in boxes.items()
    ]
    return entries, problems


def _rows(source: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and the columns of interest of every row."""
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names = {str(name).strip().lower(): name for name in reader.fieldnames or ()}
            absent = [column for column in _COLUMNS if column not in names]
            if absent:
                held = ", ".join(names) or "nothing"
                raise DataError(f"{source}: no column {', '.join(absent)}; its first line: {held}")
            return [
                (reader.line_num, {key: (row[names[key]] or "").strip() for key in _COLUMNS})
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {source}: {error}") from error


def _filled(row: Mapping[str, str], column: str) -> str:
    """The text of a column that may not be empty."""
    if not row[column]:
        raise ValueError(f"no {column}")
    return row[column]


def _box(row: Mapping[str, str]) -> tuple[float, ...]:
    """The four corners, or () where all are empty."""
    texts = [row[corner] for corner in _CORNERS]
    return tuple(float(text) for text in texts) if any(texts) else ()
