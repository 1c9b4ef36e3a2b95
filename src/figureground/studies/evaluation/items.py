"""What an evaluation is made on: pictures with labels and boxes, from every kind of source, not yet decoded."""

__all__ = ["Item", "SetOptions", "SetProblem", "read_items"]

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data import (
    AnnotatedImages,
    PhotoPack,
    decode_image,
    find_images,
    load_mnist,
    make_clutter,
    read_annotations,
    sklearn_digits,
    split_digits,
)

_DIGITS = ("sklearn", "mnist")


@dataclass(frozen=True)
class SetProblem:
    """One thing that was not as it should be; counted in records, never swallowed.

    Args:
        kind: A word for counting: ``missing-file``, ``unknown-label``, ``no-boxes``, ``map-missing``, ...
        where: The picture, file or row.
        message: What came and what was done about it.
    """

    kind: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class Item:
    """One class in one picture, to be decoded when its turn comes.

    Args:
        name: Of the picture; its stem is the file name that foreign maps are found by.
        label: As the source has it: a number, a name, or None where unknown.
        boxes: xyxy pixels of the picture, half-open; no row where nothing is marked.
        load: Decodes the picture; raises ``ImageError``.
        mask: File whose pixels that are not black mark the class.
    """

    name: str
    label: int | str | None
    boxes: Float[np.ndarray, "B 4"]
    load: Callable[[], Image.Image]
    mask: Path | None = None


@dataclass(frozen=True)
class SetOptions:
    """What a source leaves open.

    Args:
        images: Folder of the pictures, where they do not lie beside their annotations.
        label_offset: Added to labels that are numbers; None finds out: 1 for a model whose class 0 is
            "background" where no label needs its last class, else 0.
        digits: ``sklearn`` (embedded) or ``mnist`` (test digits of the shared pack), for ``clutter``.
        count: How many cluttered pictures.
        limit: Evaluate a random part of this many pictures only.
        seed: Of clutter and of the random part.
        size: Side of the square view where no model says how it wants its pictures, pixels.
        workers: Threads that decode.

    Raises:
        OptionError: A number is out of range, or the digits are unknown.
    """

    images: Path | None = None
    label_offset: int | None = None
    digits: str = "sklearn"
    count: int = 500
    limit: int | None = None
    seed: int = 0
    size: int = 224
    workers: int = 2

    def __post_init__(self) -> None:
        if self.digits not in _DIGITS:
            raise OptionError(f"no digits '{self.digits}'; known: {', '.join(_DIGITS)}")
        if min(self.count, self.size, self.workers, 1 if self.limit is None else self.limit) < 1:
            raise OptionError("count, limit, size and workers must be at least 1")


def read_items(data: str, options: SetOptions) -> tuple[list[Item], list[SetProblem]]:
    """The items of a source, and what was wrong with it.

    Args:
        data: ``clutter``, an ``.npz`` pack, annotations in any known format, a folder of pictures with one ``.json``
            or ``.csv`` of annotations in it, or a plain folder of pictures (names of folders in it are labels).
        options: What the source leaves open.

    Returns:
        Items in the order of the source, and problems.

    Raises:
        DataError: There is nothing that can be read.
    """
    if data == "clutter":
        return _clutter(options), []
    place = Path(data)
    if not place.exists():
        raise DataError(f"no file or folder '{data}' (nor is it 'clutter')")
    if place.suffix.lower() == ".npz":
        return _pack(place), []
    annotations, images = _annotations_in(place, options.images)
    if annotations is None:
        return _plain_folder(place), []
    return _annotated(read_annotations(annotations, images=images))


def _annotations_in(place: Path, images: Path | None) -> tuple[Path | None, Path | None]:
    """Where the annotations are and where their pictures; no annotations in a plain folder of pictures."""
    if not place.is_dir() or (place / "image_ids.txt").is_file() or any(place.rglob("*.xml")):
        return place, images
    files = sorted(file for file in place.iterdir() if file.suffix.lower() in {".json", ".csv"})
    if len(files) == 1:
        return files[0], images or place
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise DataError(f"{place} holds several annotation files; name one of {names}")
    # a folder of PNG files is masks only where the pictures are elsewhere
    return (place, images) if images is not None else (None, None)


def _annotated(read: AnnotatedImages) -> tuple[list[Item], list[SetProblem]]:
    """Items of annotated pictures; the reader's problems keep their words."""
    items = [
        Item(one.path.name, one.label, one.boxes, _decoder(one.path), one.mask)
        for one in read.images
    ]
    return items, [SetProblem(one.kind, one.where, one.message) for one in read.problems]


def _plain_folder(place: Path) -> list[Item]:
    """Pictures without boxes; the name of a picture's folder inside ``place`` is its label."""
    paths = find_images(place, recursive=True)
    labels = [path.parent.name if path.parent != place else None for path in paths]
    nothing = np.zeros((0, 4), np.float32)
    return [
        Item(path.name, label, nothing, _decoder(path))
        for path, label in zip(paths, labels, strict=True)
    ]


def _pack(place: Path) -> list[Item]:
    """The pictures of a pack."""
    pack = PhotoPack(place)
    nothing = np.zeros((0, 4), np.float32)
    return [
        Item(
            pack.names[row],
            None if pack.labels is None else int(pack.labels[row]),
            nothing if pack.boxes is None else pack.boxes[row],
            _row_of(pack, row),
        )
        for row in range(len(pack))
    ]


def _clutter(options: SetOptions) -> list[Item]:
    """Cluttered digits with their true boxes, from digits that no network of ours trains on."""
    if options.digits == "mnist":
        mnist = load_mnist()
        digits, labels = mnist.images[mnist.is_test], mnist.labels[mnist.is_test]
    else:
        digits, labels = sklearn_digits()
        part = split_digits(labels, seed=0).test
        digits, labels = digits[part], labels[part]
    made = make_clutter(digits, labels, count=options.count, seed=options.seed)
    return [
        Item(f"clutter-{row:06d}.png", int(made.labels[row]), made.boxes[row : row + 1], _grey(one))
        for row, one in enumerate(made.images)
    ]


def _decoder(path: Path) -> Callable[[], Image.Image]:
    return lambda: decode_image(path)


def _row_of(pack: PhotoPack, row: int) -> Callable[[], Image.Image]:
    return lambda: pack[row]


def _grey(pixels: np.ndarray) -> Callable[[], Image.Image]:
    return lambda: Image.fromarray(pixels).convert("RGB")
