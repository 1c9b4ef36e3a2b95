"""The larger files of a data set, each with many images, and the parts that their names tell."""

__all__ = ["shard_parts", "shards"]

import re
from pathlib import Path

from figureground.base.errors import DataError
from figureground.data.finding import natural_key
from figureground.data.loaders.image_folder import PART_NAMES

_PART_OF = {name: part for part, names in PART_NAMES.items() for name in names}


def shard_parts(root: Path | None, suffix: str) -> tuple[str, ...]:
    """The parts that a folder of larger files is divided into by itself.

    Args:
        root: A file, or a folder that is searched through.
        suffix: Of the files' names, as ``.tar``.

    Returns:
        Some of ``train``, ``val`` and ``test``; ``("all",)`` where nothing is divided.

    Raises:
        DataError: There is no such file, or it is not to be told of which part one is.
    """
    return ("all",) if root is None else tuple(_divided(root, suffix))


def shards(root: Path, part: str, suffix: str) -> list[Path]:
    """The files of one part, in natural order.

    A file is of the part that a word of its name or of a folder inside ``root`` says: ``train-00012.tar``,
    ``photos-validation.tar``, ``test/3.tar``; the spellings are those of ``PART_NAMES``. Where there are no training
    files, or nothing but these, all files are one undivided set.

    Args:
        root: A file, or a folder that is searched through.
        part: One of ``shard_parts``.
        suffix: Of the files' names, as ``.tar``.

    Returns:
        At least one file.

    Raises:
        DataError: As for ``shard_parts``.
    """
    return _divided(root, suffix)[part]


def _divided(root: Path, suffix: str) -> dict[str, list[Path]]:
    """Part -> its files, in the order train, val, test; or all of them."""
    if not root.is_dir():
        return {"all": [root]}
    found = [path for path in root.rglob(f"*{suffix}") if not path.name.startswith(".")]
    if not found:
        raise DataError(f"{root} holds no {suffix} file")
    files = sorted(found, key=natural_key)
    told = {path: _part_of(path.relative_to(root)) for path in files}
    if "train" not in told.values() or set(told.values()) == {"train"}:
        return {"all": files}
    unclear = [path for path, part in told.items() if part is None]
    if unclear:
        raise DataError(
            f"of which part is {unclear[0]}? Other files of {root} are named after train, val or test, and this one "
            f"after none of them or several"
        )
    parts = {part: [path for path in files if told[path] == part] for part in PART_NAMES}
    return {part: some for part, some in parts.items() if some}


def _part_of(path: Path) -> str | None:
    """The one part that the outermost folder or name speaks of; None where none does, or several do."""
    for name in (*path.parts[:-1], path.stem):
        said = {_PART_OF[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _PART_OF}
        if said:
            return said.pop() if len(said) == 1 else None
    return None
