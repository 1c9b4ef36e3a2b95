"""What a command has left in a folder, as a table to sort and filter, with the pictures of each line."""

__all__ = ["KINDS", "read_results"]

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zipfile import BadZipFile

from figureground.base.claim import kind_of
from figureground.base.errors import DataError
from figureground.studies.evaluation import EVALUATIONS
from figureground.web.measured import diagnosed, evaluated
from figureground.web.results import Results, whole_lines

_EXPLAIN = ("#", "image", "predicted", "probability", "maps", "IoU with the truth", "problem")
_RANK = ("#", "image", "class", "score", "probability", "problem")


KINDS = ("explain", "rank", "diagnosis", *EVALUATIONS)
"""Commands whose folders can be read."""


def read_results(folder: Path, photos: Sequence[Path] = ()) -> Results:
    """The images of a folder that ``explain``, ``rank``, ``evaluate`` or ``diagnose`` has left.

    Args:
        folder: The folder.
        photos: Among which the images of an evaluation and of a diagnosis are found, whose names alone are kept.

    Returns:
        A line for each image, of an evaluation for each image and method, in the order of the folder.

    Raises:
        DataError: It was left by another command, is not finished, or cannot be read.
    """
    kind = kind_of(folder)
    try:
        if kind == "explain":
            return _explained(folder)
        if kind == "rank":
            return _ranked(folder)
        if kind == "diagnosis":
            return diagnosed(folder, photos)
        if kind in EVALUATIONS:
            return evaluated(folder, kind, photos)
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise DataError(f"cannot read {folder}: {type(error).__name__}: {error}") from error
    known = "explain, rank, evaluate and diagnose leave what is shown"
    raise DataError(f"{folder} holds {kind or 'no results'}; {known}")


def _explained(folder: Path) -> Results:
    """A line for each explained image."""
    entries, told = _entries(folder)
    rows = tuple(_line(number, entry) for number, entry in enumerate(entries))
    pictures = tuple(_pictures(folder, entry) for entry in entries)
    places = tuple(map(_place, entries))
    return Results("explain", _EXPLAIN, rows, places, pictures, told, "predicted")


def _ranked(folder: Path) -> Results:
    """A line for each scored image; those of the sheet have pictures."""
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    entries, told = _entries(folder / "top")
    known = {Path(entry["image"]): entry for entry in entries}
    rows, places, pictures = [], [], []
    for number, row in enumerate(table):
        path = Path(row["path"])
        cells = (_number(row["score"]), _number(row["probability"]), row["problem"])
        rows.append((number, path.name, row["class"], *cells))
        entry = known.get(path)
        places.append(path if entry is None else _place(entry))
        pictures.append(() if entry is None else _pictures(folder / "top", entry))
    return Results("rank", _RANK, tuple(rows), tuple(places), tuple(pictures), told)


def _line(number: int, entry: Mapping[str, Any]) -> tuple[str | float | int, ...]:
    """An explained image."""
    best, panels = entry["predictions"][0], entry["panels"]
    overlaps = [one["truth_iou"] for one in panels if one.get("truth_iou") is not None]
    problems = dict.fromkeys(
        f"{one['method']}: {one['problem']}" for one in panels if one["problem"]
    )
    return (
        number,
        Path(entry["image"]).name,
        str(best["name"]),
        float(best["score"]),
        len(panels),
        float(max(overlaps)) if overlaps else "",
        "; ".join(problems),
    )


def _pictures(folder: Path, entry: Mapping[str, Any]) -> tuple[tuple[Path, str], ...]:
    """Overlays and what they show; one for maps that look the same."""
    shown = [one for one in entry["panels"] if not one.get("same_as")]
    return tuple(
        (folder / one["png"], " · ".join(filter(None, (one["method"], one.get("label")))))
        for one in shown
    )


def _place(entry: Mapping[str, Any]) -> Path:
    return Path(unquote(entry["place"], errors="surrogateescape"))


def _entries(folder: Path) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Lines of finished images, and what is wrong with them."""
    lines, told = whole_lines(folder / "entries.jsonl")
    return [json.loads(line) for line in lines], told


def _number(cell: str) -> float | str:
    return float(cell) if cell else ""
