"""Folders of ``evaluate`` and ``diagnose`` as tables: what was measured of every image."""

__all__ = ["diagnosed", "evaluated"]

import base64
import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from figureground.base.errors import DataError
from figureground.base.record import read_json
from figureground.web.results import Cell, Results, Row, whole_lines

_APART = ("row", "name", "label")
_OVERLAPS = "overlap"  # of localisation: 0 to 255 at every threshold


def evaluated(folder: Path, kind: str, photos: Sequence[Path]) -> Results:
    """A line for each image and method of an evaluation.

    Args:
        folder: That it has left.
        kind: Of the evaluation.
        photos: Among which an image is found by its name.

    Returns:
        Every measure that is one number an image; of localisation also ``best IoU``, at the threshold that is best for
        this image. Worst and best images have the pictures that the evaluation drew.

    Raises:
        DataError: It is not finished.
    """
    record = _finished(folder)
    with np.load(folder / "per_image.npz") as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    names, labels = columns["name"].tolist(), columns["label"].tolist()
    shared, by_method = _numbers(columns, len(names))
    measures = list(dict.fromkeys(name for one in by_method.values() for name in one))
    pictures = _cases(record["cases"])
    rows, shown = list[Row](), list[tuple[tuple[bytes, str], ...]]()
    for method, found in by_method.items() or {"": {}}.items():
        for number, (name, label) in enumerate(zip(names, labels, strict=True)):
            cells = [_rounded(values[number]) for values in shared.values()]
            cells += [_rounded(found[one][number]) if one in found else "" for one in measures]
            rows.append((len(rows), name, str(label), method, *cells))
            shown.append(tuple(pictures.get((method, name), ())))
    places = _places(names, photos) * max(1, len(by_method))
    answer = record.get("answer") or {}
    head = ("#", "image", "class", "method", *shared, *measures)
    told = tuple(answer.get("sentences", ()))[:1]
    return Results(kind, head, tuple(rows), places, tuple(shown), told)


def diagnosed(folder: Path, photos: Sequence[Path]) -> Results:
    """A line for each image of a diagnosis.

    Args:
        folder: That it has left.
        photos: Among which an image is found by its name.

    Returns:
        What was measured of each; the verdict; the pictures on other backgrounds, of those that the diagnosis drew.

    Raises:
        DataError: It is not finished, or had no boxes and so nothing to say of single images.
    """
    record = _finished(folder)
    lines, cut = whole_lines(folder / "per_image.csv")
    if not lines:
        raise DataError(
            f"{folder} has no per_image.csv: without boxes a diagnosis says nothing of single images; see report.html"
        )
    head, *table = csv.reader(lines)
    words = {"image", "label", "worst_background"}
    numbers = [name for name in head if name not in words]
    strips = {one["name"]: _strip(one) for one in record["strips"]}
    rows = []
    for number, cells in enumerate(table):
        row = dict(zip(head, cells, strict=True))
        values = [_rounded(float(row[name] or "nan")) for name in numbers]
        rows.append((number, row["image"], row["label"], *values, row["worst_background"]))
    names = [str(row[1]) for row in rows]
    columns = ("#", "image", "class", *numbers, "worst background")
    shown = tuple(strips.get(name, ()) for name in names)
    told = (str(record["verdict"]), *cut)
    return Results("diagnosis", columns, tuple(rows), _places(names, photos), shown, told)


def _finished(folder: Path) -> dict[str, Any]:
    """The record of a finished job."""
    if not (folder / "record.json").is_file():
        raise DataError(f"{folder} is not finished: run its command again, which goes on there")
    content = read_json(folder / "record.json")
    if not isinstance(content, dict):
        raise DataError(f"{folder / 'record.json'} is damaged")
    return content


def _numbers(
    columns: Mapping[str, np.ndarray], count: int
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]:
    """Columns with one number an image: of no method, and by method."""
    shared: dict[str, np.ndarray] = {}
    by_method: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for name, values in columns.items():
        method, _, measure = name.rpartition("/")
        if name in _APART or values.dtype.kind not in "fiub" or len(values) != count:
            continue
        if values.ndim == 1:
            (by_method[method] if method else shared)[measure] = values.astype(float)
        elif measure == _OVERLAPS and values.dtype == np.uint8:
            by_method[method]["best IoU"] = values.max(1) / 255
    return shared, dict(by_method)


def _cases(cases: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], list[tuple[bytes, str]]]:
    """Pictures of the worst and best images by method and name."""
    found: dict[tuple[str, str], list[tuple[bytes, str]]] = defaultdict(list)
    for one in cases:
        words = f"{one['kind']} · {one['method']} · {one['measure']} {one['overlap']:.3g}"
        found[one["method"], one["name"]].append((_content(one["picture"]), words))
    return found


def _strip(strip: Mapping[str, Any]) -> tuple[tuple[bytes, str], ...]:
    """An image on other backgrounds."""
    return tuple(
        (_content(cell["picture"]), f"{cell['title']} · {cell['answer']}")
        for cell in strip["cells"]
        if cell["picture"]
    )


def _content(address: str) -> bytes:
    """Of a ``data:`` address."""
    return base64.b64decode(address.partition(",")[2])


def _places(names: Sequence[str], photos: Sequence[Path]) -> tuple[Path | None, ...]:
    """The one photo whose path ends with each name; None where there is none, or several."""
    by_file: dict[str, list[Path]] = defaultdict(list)
    for path in photos:
        by_file[path.name].append(path)
    places = []
    for name in names:
        parts = PurePath(name).parts
        same = [one for one in by_file[parts[-1]] if one.parts[-len(parts) :] == parts]
        places.append(same[0] if len(same) == 1 else None)
    return tuple(places)


def _rounded(value: float) -> Cell:
    """Four digits; nothing for what is no number."""
    return float(f"{value:.4g}") if math.isfinite(value) else ""
