"""Images with labels from a CSV file, ``path,label``, and their contexts where it has them."""

__all__ = ["labels_file"]

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch

from figureground.base.amount import amount
from figureground.base.errors import DataError
from figureground.data.finding import natural_key
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages

_COLUMNS = ("path", "label")
_BACKGROUND = "background"


def labels_file(path: Path | str) -> LabeledImages:
    """The images that a CSV file with the columns ``path`` and ``label`` names.

    Paths are relative to the file's folder. Classes are numbered in natural order of their names; ``background``, in
    any case, has the last label, K, and an empty label is -1, unlabelled. A column ``context``, where there is one,
    names the surroundings of each image (grass, sand), numbered in natural order; an empty cell is one of them. Other
    columns are not looked at.

    Args:
        path: The file.

    Returns:
        The images, decoded when asked for.

    Raises:
        DataError: The file cannot be read, lacks a column, holds no class, or none of its images is there.
    """
    place = Path(path)
    rows = _rows(place)
    names = _in_order(row.label for row in rows)
    classes = [name for name in names if name and name.lower() != _BACKGROUND]
    if not classes:
        raise DataError(f"{place} names no class")
    numbers = {name: at for at, name in enumerate(classes)} | {"": -1}
    labels = torch.tensor([numbers.get(row.label, len(classes)) for row in rows])
    files = [place.parent / row.path for row in rows]
    if not any(file.is_file() for file in files):
        raise DataError(
            f"none of the {amount(len(files), 'image')} in {place} is there: '{rows[0].path}' is looked for as "
            f"{files[0]}. A path is absolute or relative to the folder that the file of labels is in"
        )
    contexts = [row.context for row in rows if row.context is not None]
    surroundings = {name: at for at, name in enumerate(_in_order(contexts))}
    return LabeledImages(
        LazyImages.of_files(files),
        labels,
        tuple(classes),
        contexts=torch.tensor([surroundings[name] for name in contexts]) if contexts else None,
    )


class _Row(NamedTuple):
    """A line; no line of a file without the column has a context."""

    path: str
    label: str
    context: str | None


def _in_order(names: Iterable[str]) -> list[str]:
    """Each once, in natural order."""
    return sorted(set(names), key=lambda name: natural_key(Path(name)))


def _rows(place: Path) -> list[_Row]:
    """Path, label and context of each line."""
    try:
        with place.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            absent = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if absent:
                raise DataError(f"{place} has no column {' and no column '.join(absent)}")
            told = "context" in (reader.fieldnames or ())
            return [
                _Row(
                    row["path"],
                    (row["label"] or "").strip(),
                    (row["context"] or "").strip() if told else None,
                )
                for row in reader
                if row["path"]
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {place}: {error}") from error
