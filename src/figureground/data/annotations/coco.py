"""Boxes from a COCO JSON file."""

__all__ = ["looks_like_coco", "read_coco"]

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from figureground.base.errors import DataError
from figureground.base.record import read_json
from figureground.data.annotations.entries import Problem, RawEntry
from figureground.data.annotations.image_finder import ImageFinder

_Marks: TypeAlias = dict[int | str, list[tuple[float, ...]]]  # label -> boxes in one image


def looks_like_coco(source: Path) -> bool:
    """Whether this is a JSON file.

    Args:
        source: A file or folder.

    Returns:
        True for a file whose name ends in ``.json``.
    """
    return source.is_file() and source.suffix.lower() == ".json"


def read_coco(source: Path, finder: ImageFinder) -> tuple[list[RawEntry], list[Problem]]:
    """The entries of a COCO file, one for each image and category, in the order of ``images``.

    ``bbox`` is x, y, width, height. Boxes of crowds are left out, as COCO's own evaluation ignores
    them. An image without annotations is an entry without label.

    Args:
        source: The ``.json`` file.
        finder: Where its ``file_name`` are looked for.

    Returns:
        Raw entries with category names as labels (ids where the file names no categories), and
        what could not be used.

    Raises:
        DataError: It is not JSON, or not of COCO's form.

    References:
        T.-Y. Lin et al. (2014). Microsoft COCO: Common Objects in Context. arXiv 1405.0312.
    """
    content = read_json(source)
    images, annotations = (_rows(content, key, source) for key in ("images", "annotations"))
    marks, problems = _marks(annotations, _category_names(content, source), source.name)
    entries: list[RawEntry] = []
    for at, image in enumerate(images):
        where = f"{source.name} images[{at}]"
        try:
            entries += _entries(image, marks.pop(image["id"], {}), finder=finder, where=where)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(Problem("bad-row", where, f"left out: {_said(error)}"))
    for stray in marks:
        where = f"{source.name} image_id {stray}"
        problems.append(Problem("bad-row", where, "annotations left out: no usable image has it"))
    return entries, problems


def _rows(content: Any, key: str, source: Path) -> list[Any]:  # noqa: ANN401 - untrusted JSON
    """A list that COCO's form asks for."""
    rows = content.get(key) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise DataError(f"{source} is not COCO: it holds no list '{key}'")
    return rows


def _category_names(content: Mapping[str, Any], source: Path) -> dict[Hashable, str]:
    """Category id -> name; empty where the file names no categories."""
    try:
        return {row["id"]: str(row["name"]) for row in content.get("categories", [])}
    except (KeyError, TypeError) as error:
        raise DataError(f"{source}: a category without usable 'id' and 'name'") from error


def _marks(
    annotations: Sequence[Any], names: Mapping[Hashable, str], file: str
) -> tuple[dict[Hashable, _Marks], list[Problem]]:
    """Image id -> label -> boxes, and the annotations that could not be used."""
    marks: dict[Hashable, _Marks] = {}
    problems: list[Problem] = []
    for at, row in enumerate(annotations):
        where = f"{file} annotations[{at}]"
        try:
            label = _label(row["category_id"], names)
            x, y, width, height = (float(number) for number in row["bbox"])
            boxes = marks.setdefault(row["image_id"], {}).setdefault(label, [])
        except (KeyError, TypeError, ValueError) as error:
            problems.append(Problem("bad-row", where, f"left out: {_said(error)}"))
            continue
        if row.get("iscrowd"):
            problems.append(Problem("crowd-box", where, "left out: it marks a crowd, not one"))
        else:
            boxes.append((x, y, x + width, y + height))
    return marks, problems


def _label(category: Any, names: Mapping[Hashable, str]) -> int | str:  # noqa: ANN401 - JSON
    """The category's name, or its id where no category has a name."""
    if not names:
        return int(category)
    if category not in names:
        raise ValueError(f"category_id {category} is none of the {len(names)} categories")
    return names[category]


def _said(error: Exception) -> str:
    """What an error means for a row."""
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _entries(
    image: Mapping[str, Any], marks: _Marks, *, finder: ImageFinder, where: str
) -> list[RawEntry]:
    """One entry for each label in the image, or one without label."""
    path = finder.find(str(image["file_name"]))
    size = (int(image["width"]), int(image["height"])) if "width" in image else None
    if not marks:
        return [RawEntry(where, path, None, (), size)]
    return [RawEntry(where, path, label, tuple(boxes), size) for label, boxes in marks.items()]
