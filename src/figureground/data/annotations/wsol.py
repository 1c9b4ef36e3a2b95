"""Boxes or masks from a metadata folder of weakly supervised localisation (``wsolevaluation``)."""

__all__ = ["looks_like_wsol", "read_wsol"]

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from figureground.base.errors import DataError, ImageError
from figureground.base.storage import RemoteFile
from figureground.data.annotations.entries import MaskFiles, Problem, RawEntry
from figureground.data.annotations.image_finder import ImageFinder
from figureground.data.annotations.masks import box_around
from figureground.data.decoding import image_size

_Value = TypeVar("_Value")


def looks_like_wsol(source: Path) -> bool:
    """Whether this is a metadata folder.

    Args:
        source: A file or folder.

    Returns:
        True for a folder with ``image_ids.txt``.
    """
    return (source / "image_ids.txt").is_file()


def read_wsol(source: Path, finder: ImageFinder) -> tuple[list[RawEntry], list[Problem]]:
    """The entries of a metadata folder, in the order of ``image_ids.txt``.

    ``class_labels.txt`` holds ``id,label``; ``localization.txt`` ``id,x0,y0,x1,y1`` with the last
    pixel inside, or, for OpenImages, ``id,mask,ignored`` with files that mark an instance and what is not to be
    judged (empty but in one line of an image); ``image_sizes.txt`` ``id,width,height``. Only the ids are required.
    Instances of an image make one mask; its box is the one around all of them.

    Args:
        source: The folder.
        finder: Where the ids are looked for as file names.

    Returns:
        Raw entries and the lines that could not be used.

    Raises:
        DataError: A file cannot be read.

    References:
        J. Choe et al. (2020). Evaluating Weakly Supervised Object Localization Methods Right.
        arXiv 2001.07437.
    """
    problems: list[Problem] = []
    ids = _table(source / "image_ids.txt", _nothing, problems)
    labels = _table(source / "class_labels.txt", _label, problems)
    places = _table(source / "localization.txt", _place, problems)
    sizes = _table(source / "image_sizes.txt", _size, problems)
    for name, table in (("class_labels", labels), ("localization", places), ("image_sizes", sizes)):
        stray = [key for key in table if key not in ids]
        problems += [
            Problem("bad-row", f"{name}.txt", f"'{key}' left out: not in image_ids.txt")
            for key in stray
        ]
    label_of = _first(labels, "class_labels", problems)
    size_of = _first(sizes, "image_sizes", problems)
    entries: list[RawEntry] = []
    for name in ids:
        path, found = finder.find(name), places.get(name, [])
        boxes: tuple[tuple[float, ...], ...] = tuple(
            one for one in found if isinstance(one[0], float)
        )
        files = [one for one in found if isinstance(one[0], str)]
        masks = None
        if files and (isinstance(path, RemoteFile) or path.exists()):
            try:
                masks, boxes = _masks(files, path, finder)
            except ImageError as error:
                problems.append(Problem("unreadable-file", error.path, f"left out: {error.reason}"))
                continue
        where = f"image_ids.txt '{name}'"
        entries.append(RawEntry(where, path, label_of.get(name), boxes, size_of.get(name), masks))
    return entries, problems


def _masks(
    lines: Sequence[tuple[str, ...]], image: Path | RemoteFile, finder: ImageFinder
) -> tuple[MaskFiles, tuple[tuple[float, ...], ...]]:
    """The mask files of an image, and the box around what they mark, in pixels of the image."""
    ignored = [finder.find(one) for _, one in lines if one]
    files = MaskFiles(tuple(finder.find(one) for one, _ in lines), ignored[0] if ignored else None)
    mask = files.decode()
    width, height = image_size(image)
    scale = (width / mask.shape[1], height / mask.shape[0]) * 2
    return files, tuple(
        tuple(one * by for one, by in zip(box, scale, strict=True)) for box in box_around(mask)
    )


def _table(
    file: Path, parse: Callable[[list[str]], _Value], problems: list[Problem]
) -> dict[str, list[_Value]]:
    """Id -> what its lines hold; an absent file is an empty table."""
    table: dict[str, list[_Value]] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {file}: {error}") from error
    for at, line in enumerate(lines, start=1):
        name, *fields = (field.strip() for field in line.split(","))
        try:
            values = [parse(fields)] if name else []
        except ValueError as error:
            problems.append(Problem("bad-row", f"{file.name} line {at}", f"left out: {error}"))
            continue
        if values:
            table.setdefault(name, []).extend(values)
    return table


def _first(table: dict[str, list[_Value]], file: str, problems: list[Problem]) -> dict[str, _Value]:
    """Id -> its one value; further lines of an id are reported."""
    for key, values in table.items():
        if len(values) > 1:
            message = f"'{key}' has {len(values)} lines; the first counts"
            problems.append(Problem("bad-row", f"{file}.txt", message))
    return {key: values[0] for key, values in table.items()}


def _nothing(fields: list[str]) -> None:
    """No field but the id."""
    if fields:
        raise ValueError(f"{len(fields)} fields after the id, none are expected")


def _label(fields: list[str]) -> int:
    """The class index."""
    (label,) = fields
    return int(label)


def _place(fields: list[str]) -> tuple[float, ...] | tuple[str, ...]:
    """Four corners, made half-open; or the file of a mask and that of what is ignored, which may be empty."""
    if len(fields) == 2 and fields[0]:
        return tuple(fields)
    x0, y0, x1, y1 = map(float, fields)
    return x0, y0, x1 + 1, y1 + 1


def _size(fields: list[str]) -> tuple[int, int]:
    """Width and height."""
    width, height = map(int, fields)
    return width, height
