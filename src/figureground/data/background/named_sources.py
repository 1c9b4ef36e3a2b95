"""Sources of background images by name, as they are typed."""

__all__ = ["IMAGE_KINDS", "class_counts", "image_source"]

from collections.abc import Callable
from pathlib import Path

from figureground.base.errors import OptionError
from figureground.data.annotations import read_annotations
from figureground.data.background.folder import Folder
from figureground.data.background.from_labeled import FromLabeled, HeldOutClasses, PatchShuffle
from figureground.data.background.outside_box import OutsideBox
from figureground.data.background.source import BackgroundSource, Concat
from figureground.data.lazy import FileDecoder
from figureground.data.loaders import image_folder, load_dataset


def image_source(text: str, decode: FileDecoder | None = None) -> BackgroundSource:
    """What a word stands for.

    Args:
        text: A folder, or ``KIND:WHERE``.
        decode: For images in files of their own; None for one at their full range.

    Returns:
        Its images.
    """
    kind, _, where = text.partition(":")
    decode = decode or FileDecoder()
    if kind in IMAGE_KINDS and where:
        return IMAGE_KINDS[kind](where, decode)
    return Folder(text, decode=decode)


def _outside_boxes(where: str, decode: FileDecoder) -> BackgroundSource:
    annotated = read_annotations(where)
    source = OutsideBox.of_annotations(annotated, decode=decode)
    if annotated.problems:
        met = ", ".join(f"{count} {kind}" for kind, count in annotated.problem_counts.items())
        source.provenance["problems of the annotations"] = met
    source.provenance["annotations"] = Path(where).name
    return source


def _held_out(where: str, decode: FileDecoder) -> BackgroundSource:
    folder, _, classes = where.rpartition(":")
    if not folder:
        raise OptionError(f"write held-out:FOLDER:CLASS,CLASS, not held-out:{where}")
    names = [name.strip() for name in classes.split(",")]
    data = image_folder(folder).decoded_by(decode)
    return HeldOutClasses(data, names, name=Path(folder).name)


def _data_set(where: str, decode: FileDecoder) -> BackgroundSource:
    name, _, root = where.partition(":")
    parts = [load_dataset(name, root or None, part=part) for part in ("train", "val", "test")]
    return Concat(
        *(
            FromLabeled(data.decoded_by(decode), name=f"{name} {part}")
            for data, part in zip(parts, ("train", "val", "test"), strict=True)
        ),
        name=name,
    )


IMAGE_KINDS: dict[str, Callable[[str, FileDecoder], BackgroundSource]] = {
    "folder": lambda where, decode: Folder(where, decode=decode),
    "outside-boxes": _outside_boxes,
    "held-out": _held_out,
    "patch-shuffle": lambda where, decode: PatchShuffle(image_source(where, decode)),
    "set": _data_set,
}


def class_counts(text: str) -> list[int]:
    """Images of each class.

    Args:
        text: A folder of class folders, ``folder:WHERE`` or ``set:NAME[:ROOT]``.

    Returns:
        One number per class.
    """
    kind, _, where = text.partition(":")
    if kind == "set":
        name, _, root = where.partition(":")
        return load_dataset(name, root or None, part="train").class_counts()
    return image_folder(where if kind == "folder" else text).class_counts()
