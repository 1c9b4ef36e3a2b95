"""What a command has left in a folder, as a table to sort and filter, with the pictures of each line."""

__all__ = ["Results", "read_results"]

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from figureground.base.claim import kind_of
from figureground.base.errors import DataError

_EXPLAIN = ("#", "image", "predicted", "probability", "maps", "IoU with the truth", "problem")
_RANK = ("#", "image", "class", "score", "probability", "problem")


@dataclass(frozen=True)
class Results:
    """A table of images.

    Args:
        kind: Of the command.
        columns: Their names; the first is a line's number.
        rows: Lines.
        places: The image of each.
        pictures: The pictures that the command has made of each, with words.
    """

    kind: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int, ...], ...]
    places: tuple[Path, ...]
    pictures: tuple[tuple[tuple[Path, str], ...], ...]


def read_results(folder: Path) -> Results:
    """The images of a folder that ``explain`` or ``rank`` has left.

    Args:
        folder: The folder.

    Returns:
        A line for each image, in the order of the folder.

    Raises:
        DataError: It was left by another command, or cannot be read.
    """
    kind = kind_of(folder)
    try:
        if kind == "explain":
            return _explained(folder)
        if kind == "rank":
            return _ranked(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {folder}: {type(error).__name__}: {error}") from error
    raise DataError(f"{folder} holds {kind or 'no results'}; explain and rank leave what is shown")


def _explained(folder: Path) -> Results:
    """A line for each explained image."""
    entries = _entries(folder)
    rows = tuple(_line(number, entry) for number, entry in enumerate(entries))
    pictures = tuple(_pictures(folder, entry) for entry in entries)
    return Results("explain", _EXPLAIN, rows, tuple(map(_place, entries)), pictures)


def _ranked(folder: Path) -> Results:
    """A line for each scored image; those of the sheet have pictures."""
    with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    known = {Path(entry["image"]): entry for entry in _entries(folder / "top")}
    rows, places, pictures = [], [], []
    for number, row in enumerate(table):
        path = Path(row["path"])
        cells = (_number(row["score"]), _number(row["probability"]), row["problem"])
        rows.append((number, path.name, row["class"], *cells))
        entry = known.get(path)
        places.append(path if entry is None else _place(entry))
        pictures.append(() if entry is None else _pictures(folder / "top", entry))
    return Results("rank", _RANK, tuple(rows), tuple(places), tuple(pictures))


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


def _entries(folder: Path) -> list[dict[str, Any]]:
    """Lines of finished images."""
    file = folder / "entries.jsonl"
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _number(cell: str) -> float | str:
    return float(cell) if cell else ""
