"""Images with labels from a CSV file, ``path,label``."""

__all__ = ["labels_file"]

import csv
from pathlib import Path

import torch

from figureground.base.errors import DataError
from figureground.data.finding import natural_key
from figureground.data.labeled import LabeledImages, LazyImages

_COLUMNS = ("path", "label")
_BACKGROUND = "background"


def labels_file(path: Path | str) -> LabeledImages:
    """The images that a CSV file with the columns ``path`` and ``label`` names.

    Paths are relative to the file's folder. Classes are numbered in natural order of their names; ``background``, in
    any case, has the last label, K, and an empty label is -1, unlabelled. Other columns are not looked at.

    Args:
        path: The file.

    Returns:
        The images, decoded when asked for.

    Raises:
        DataError: The file cannot be read, lacks a column, or holds no class.
    """
    place = Path(path)
    rows = _rows(place)
    names = sorted({label for _, label in rows}, key=lambda name: natural_key(Path(name)))
    classes = [name for name in names if name and name.lower() != _BACKGROUND]
    if not classes:
        raise DataError(f"{place} names no class")
    numbers = {name: at for at, name in enumerate(classes)} | {"": -1}
    labels = torch.tensor([numbers.get(label, len(classes)) for _, label in rows])
    files = [place.parent / name for name, _ in rows]
    return LabeledImages(LazyImages.of_files(files), labels, tuple(classes))


def _rows(place: Path) -> list[tuple[str, str]]:
    """Path and label of each line."""
    try:
        with place.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            absent = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if absent:
                raise DataError(f"{place} has no column {' and no column '.join(absent)}")
            return [(row["path"], (row["label"] or "").strip()) for row in reader if row["path"]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {place}: {error}") from error
