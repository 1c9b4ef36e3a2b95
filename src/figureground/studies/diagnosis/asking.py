"""A list of random images that lack boxes, to be marked by hand."""

__all__ = ["ASKED", "ask_for_boxes"]

from collections.abc import Sequence
from pathlib import Path

from figureground.base.errors import ImageError, OptionError
from figureground.base.record import replaced, write_atomically
from figureground.base.storage import RemoteFile
from figureground.data.splits import random_subset
from figureground.models import Classifier
from figureground.studies.diagnosis.recording import csv_of
from figureground.studies.evaluation.image_set import EvaluationSet

ASKED = "ask_boxes.csv"
"""Of the list."""

_COPIES = "ask_boxes"
_HEAD = ("path", "label", "x0", "y0", "x1", "y1")


def ask_for_boxes(
    images: EvaluationSet,
    unmarked: Sequence[int],
    classifier: Classifier,
    *,
    folder: Path,
    count: int,
    seed: int,
) -> str:
    """Write ``ask_boxes.csv``: path and label of random images, with empty corners.

    Images without a file of their own are written to ``ask_boxes``. A list that is there already is kept: somebody may
    have filled it in.

    Args:
        images: The set.
        unmarked: Positions of images without boxes.
        classifier: Whose class names tell classes of named data sets.
        folder: Where.
        count: How many.
        seed: Of the drawing.

    Returns:
        What was done, a sentence.
    """
    place = folder / ASKED
    if place.exists():
        return f"{place} is there already and is kept; delete it for a new list"
    if not unmarked:
        return "no image lacks boxes: none is asked for"
    rows: list[tuple[object, ...]] = [_HEAD]
    for at in random_subset(len(unmarked), count, seed).tolist():
        row = unmarked[at]
        file = _file(images, row, folder)
        if file is not None:
            rows.append((file, _label(images, row, classifier), *[""] * 4))
    write_atomically(place, csv_of(rows))
    return f"{len(rows) - 1} of {len(unmarked)} images without boxes are listed in {place}, to be marked"


def _file(images: EvaluationSet, row: int, folder: Path) -> str | None:
    """Path of an image, or of a copy beside the list where it has no file; None where it cannot be read."""
    item = images.item(row)
    if isinstance(item.file, RemoteFile):
        return item.file.url
    if isinstance(item.file, Path):
        return str(item.file.resolve())
    name = f"{_COPIES}/{row:06d}.png"
    try:
        with replaced(folder / name) as file:
            item.load().save(file, "PNG")
    except ImageError:
        return None
    return name


def _label(images: EvaluationSet, row: int, classifier: Classifier) -> int | str | None:
    """As the source has it; the class's number where the model does not know a data set's name for it."""
    label, number = images.item(row).label, int(images.labels[row])
    if not images.class_names or not isinstance(label, str):
        return label
    try:
        return label if classifier.class_index(label) == number else number
    except OptionError:
        return number
