"""A folder that is divided already: ``train``, ``val`` and ``test``, with a folder for each class in each."""

__all__ = ["divided_folder", "folder_parts"]

from dataclasses import replace
from pathlib import Path

import torch

from figureground.base.errors import DataError
from figureground.data.labeled import LabeledImages
from figureground.data.loaders.image_folder import PART_NAMES, image_folder


def folder_parts(root: Path | str | None) -> tuple[str, ...]:
    """The parts that a folder is divided into by itself.

    Args:
        root: Holds ``train`` with ``val``, ``test`` or both (``training``, ``valid``, ``validation``, ``dev``,
            ``testing``, ``eval`` are understood), or the folders of classes.

    Returns:
        Some of ``train``, ``val`` and ``test``; ``("all",)`` where the folder is not divided.

    Raises:
        DataError: Two folders are the same part.
    """
    found = {} if root is None else _places(Path(root))
    return tuple(found) if "train" in found and len(found) > 1 else ("all",)


def divided_folder(root: Path | str, part: str) -> LabeledImages:
    """The images of one part, labelled by the classes of ``train``.

    Args:
        root: As for ``folder_parts``.
        part: One of those.

    Returns:
        The images, decoded when asked for. A class that this part lacks keeps its number.

    Raises:
        DataError: The part holds a class that ``train`` has not.
    """
    places = _places(Path(root))
    data = image_folder(places[part])
    if part == "train":
        return data
    names = image_folder(places["train"]).class_names
    strange = [name for name in data.class_names if name not in names]
    if strange:
        raise DataError(
            f"{places[part]} holds the class folder '{strange[0]}', which {places['train']} has not: the parts of a "
            f"divided set have the same classes"
        )
    numbers = torch.tensor([*(names.index(name) for name in data.class_names), len(names)])
    return replace(data, labels=numbers[data.labels], class_names=names)


def _places(root: Path) -> dict[str, Path]:
    """Part -> its folder, in the order train, val, test."""
    held = sorted(root.iterdir()) if root.is_dir() else []
    found: dict[str, Path] = {}
    for part, spellings in PART_NAMES.items():
        same = [path for path in held if path.is_dir() and path.name.lower() in spellings]
        if len(same) > 1:
            raise DataError(f"{same[0]} and {same[1]} are both the {part} part: keep one of them")
        found |= dict.fromkeys([part], same[0]) if same else {}
    return found
