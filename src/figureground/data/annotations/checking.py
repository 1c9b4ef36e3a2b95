"""From raw entries to checked ones: nothing is repaired or left out without a word."""

__all__ = ["ClassLabels", "check_entries"]

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from figureground.base.errors import DataError, ImageError, OptionError
from figureground.base.storage import RemoteFile, read
from figureground.data.annotations.entries import AnnotatedImage, Problem, ProblemKind, RawEntry
from figureground.data.decoding import image_size

_HEADER = 2**16  # bytes of a JPEG that nearly always hold its size
_REQUESTS = 16  # at a time


@dataclass(frozen=True)
class ClassLabels:
    """Which labels exist.

    Args:
        count: Number of classes; None where unknown.
        names: Class names in the order of their indices; None where unknown.

    Raises:
        OptionError: Count and names contradict each other.
    """

    count: int | None = None
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.names is not None and self.count not in (None, len(self.names)):
            raise OptionError(
                f"num_classes is {self.count} but there are {len(self.names)} class names"
            )

    def resolve(self, label: int | str | None) -> int | str | None:
        """The class index where it can be known, else the label as it was written.

        Args:
            label: An index, a name, or None.

        Returns:
            An index in range; the name where no names are known; None for None.

        Raises:
            LookupError: There is no such class; the message says why.
        """
        if isinstance(label, str):
            return self._index_of(label)
        count = self.count if self.names is None else len(self.names)
        if label is not None and (label < 0 or (count is not None and label >= count)):
            known = "" if count is None else f", not in 0..{count - 1}"
            raise LookupError(f"the label is {label}{known}")
        return label

    def _index_of(self, name: str) -> int | str | None:
        """The index of a name; digits that are no class name are an index themselves."""
        if self.names is not None and name in self.names:
            if self.names.count(name) > 1:
                raise LookupError(
                    f"{self.names.count(name)} classes are called '{name}': give the number"
                )
            return self.names.index(name)
        if name.isascii() and name.removeprefix("-").isdigit():
            return self.resolve(int(name))
        if self.names is not None:
            raise LookupError(f"the label '{name}' is none of the {len(self.names)} class names")
        return name


def check_entries(
    entries: Iterable[RawEntry], labels: ClassLabels, *, needs_images: bool = True
) -> tuple[list[AnnotatedImage], list[Problem]]:
    """The entries that can be used, and what was wrong with these and with the others.

    A box partly outside its image is clipped; an empty, impossible or outlying one is left out.
    An entry is left out when its image is missing, unreadable or of another size than the
    annotation says (its boxes would lie elsewhere), or when its label is unknown. An entry without
    boxes is kept.

    Args:
        entries: What a reader found.
        labels: Which labels exist.
        needs_images: Whether the images must be there. Where not, the annotation is believed, and a file is looked
            into only for a size that the annotation does not state.

    Returns:
        The checked entries in the same order, and the problems.

    Raises:
        DataError: All boxes are fractions of their images, where pixels are meant.
    """
    entries = list(entries)
    _refuse_fractions(entries)
    size_of = partial(_measured if needs_images else _believed, _sizes(entries))
    images: list[AnnotatedImage] = []
    problems: list[Problem] = []
    for entry in entries:
        image, met = _check_entry(entry, labels, size_of)
        images += [image] if image is not None else []
        problems += met
    return images, problems


def _refuse_fractions(entries: Sequence[RawEntry]) -> None:
    """Boxes that are all within one pixel of the corner are no boxes in pixels."""
    corners = np.array([box for entry in entries for box in entry.boxes if len(box) == 4])
    # readers of formats that include the last pixel or count from 1 have added or subtracted 1
    if len(corners) and (abs(corners[:, :2]) <= 1).all() and (abs(corners[:, 2:]) <= 2).all():
        sides = corners[:, 2:] - corners[:, :2]
        if (sides <= 2).all() and (corners != np.rint(corners)).any():
            shown = ", ".join(f"{number:g}" for number in corners[0])
            raise DataError(
                f"the boxes ({entries[0].where}: {shown}) look like fractions of the image; give pixels: fractions "
                "times width and height"
            )


_SizeOf = Callable[[Path | RemoteFile], tuple[int, int]]


def _sizes(entries: Iterable[RawEntry]) -> _SizeOf:
    """Sizes of images by their headers; those in a storage are asked for at once, many at a time."""
    there = list(dict.fromkeys(one.path for one in entries if isinstance(one.path, RemoteFile)))
    with ThreadPoolExecutor(_REQUESTS, thread_name_prefix="size") as pool:
        asked = dict(zip(there, pool.map(_size_there, there), strict=True))
    here = lru_cache(maxsize=4)(image_size)  # entries of one image come one after the other

    def size_of(path: Path | RemoteFile) -> tuple[int, int]:
        found = asked[path] if isinstance(path, RemoteFile) else here(path)
        if isinstance(found, ImageError):
            raise found
        return found

    return size_of


def _size_there(file: RemoteFile) -> tuple[int, int] | ImageError:
    """Of a JPEG mostly from its beginning; other kinds may tell at their end that they lie on their side."""
    try:
        if file.size > _HEADER:
            head = read(file.url, 0, _HEADER)
            if head.startswith(b"\xff\xd8"):
                with suppress(ImageError):
                    return image_size(head)
        return image_size(file)
    except ImageError as error:
        return error


def _measured(size_of: _SizeOf, entry: RawEntry) -> tuple[int, int]:
    """The size of an image that must be there."""
    return size_of(entry.path)


def _believed(size_of: _SizeOf, entry: RawEntry) -> tuple[int, int] | None:
    """The size that the annotation states, else that of the file; None where there is none."""
    if entry.size is not None:
        return entry.size
    try:
        return size_of(entry.path)
    except ImageError:
        return None


def _kind_of(path: Path | RemoteFile) -> ProblemKind:
    """What is wrong with an image whose size cannot be had."""
    there = path.version if isinstance(path, RemoteFile) else os.path.exists(path)  # noqa: PTH110 - of any name
    return "unreadable-file" if there else "missing-file"


def _check_entry(
    entry: RawEntry, labels: ClassLabels, size_of: Callable[[RawEntry], tuple[int, int] | None]
) -> tuple[AnnotatedImage | None, list[Problem]]:
    """The entry if it can be used, and its problems."""
    try:
        size = size_of(entry)
        label = labels.resolve(entry.label)
    except ImageError as error:
        return None, [Problem(_kind_of(entry.path), entry.where, f"left out: {error}")]
    except LookupError as error:
        return None, [Problem("unknown-label", entry.where, f"left out: {error}")]
    if size is not None and entry.size not in {None, size}:
        return None, [Problem("size-mismatch", entry.where, _mismatch(entry, size))]
    boxes, problems = _inside(entry, size)
    if not boxes:
        problems.append(Problem("no-boxes", entry.where, f"nothing is marked in {entry.path}"))
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return AnnotatedImage(entry.path, label, array, entry.mask, size), problems


def _inside(
    entry: RawEntry, size: tuple[int, int] | None
) -> tuple[list[tuple[float, ...]], list[Problem]]:
    """The boxes cut to the image, and what was cut or left out."""
    kept: list[tuple[float, ...]] = []
    problems: list[Problem] = []
    for box in entry.boxes:
        inside = _clipped(box, size)
        if inside:
            kept.append(inside)
        if inside != box:
            problems.append(_box_problem(entry.where, box, size))
    return kept, problems


def _clipped(box: tuple[float, ...], size: tuple[int, int] | None) -> tuple[float, ...]:
    """The part of the box inside the image, which has no end where its size is unknown; () where there is none."""
    if len(box) != 4 or not all(map(math.isfinite, box)):
        return ()
    x0, y0, x1, y1 = box
    width, height = size or (math.inf, math.inf)
    if x1 <= x0 or y1 <= y0:
        return ()
    inside = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    return inside if inside[0] < inside[2] and inside[1] < inside[3] else ()


def _box_problem(where: str, box: tuple[float, ...], size: tuple[int, int] | None) -> Problem:
    """Why a box was cut or left out."""
    shown = "(" + ", ".join(f"{number:g}" for number in box) + ")"
    if len(box) != 4 or not all(map(math.isfinite, box)):
        return Problem("bad-box", where, f"box {shown} left out: not four finite numbers")
    if box[2] <= box[0] or box[3] <= box[1]:
        return Problem("empty-box", where, f"box {shown} left out: it has no area")
    image = "the image" if size is None else f"the {size[0]}x{size[1]} image"
    if not _clipped(box, size):
        return Problem("outside-box", where, f"box {shown} left out: it is outside {image}")
    return Problem("clipped-box", where, f"box {shown} clipped to {image}")


def _mismatch(entry: RawEntry, size: tuple[int, int]) -> str:
    """What was claimed, what is there, and the likely reason."""
    claimed = entry.size or (0, 0)
    turned = " (turned by its EXIF orientation?)" if claimed == size[::-1] else ""
    return (
        f"left out: annotated as {claimed[0]}x{claimed[1]} pixels, "
        f"but {entry.path} has {size[0]}x{size[1]}{turned}"
    )
