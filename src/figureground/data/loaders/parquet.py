"""Parquet files of encoded images with labels, as Hugging Face publishes data sets."""

__all__ = ["parquet_images"]

from collections.abc import Sequence
from pathlib import Path

from figureground.base.errors import DataError
from figureground.data.cached import cache_folder
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders.shards import shard_parts, shards
from figureground.data.loaders.told_labels import class_names_beside, numbered
from figureground.data.parquet_files import ParquetTable, parquet_table

_SUFFIX = ".parquet"


def parquet_images(root: Path | str, part: str = "all") -> LabeledImages:
    """The images of Parquet files, in the layout of Hugging Face's data sets.

    The column ``image`` holds encoded images, as binary or as a struct of ``bytes`` and ``path``, and the column
    ``label`` numbers or names; without these names, the only column that the file's own description of its features
    calls an image, or a class label, is taken. Numbers are named by ``classes.txt`` or ``classes.json`` beside the
    files, else by that description; names are numbered in natural order. The encoded images are copied once into
    ``cache_folder()``, which takes as much room as the encoded images, so that any of them is read at once.

    Args:
        root: A Parquet file, or a folder that is searched for them.
        part: One of ``shard_parts(root, ".parquet")``.

    Returns:
        The images, decoded when asked for. A note says where the copy is.

    Raises:
        DataError: A file cannot be read or is cut short, lacks a column or a value, or pyarrow is not installed.
    """
    place = Path(root)
    found = _found(shards(place, part, _SUFFIX))
    train = found
    if part not in {"train", "all"} and "train" in shard_parts(place, _SUFFIX):
        train = _found(shards(place, "train", _SUFFIX))
    members = [member for one in found for member in one.members]
    labels, names = numbered(
        [label for one in found for label in one.labels],
        _class_names(place, [*train, *found]),
        places=members,
        train=(label for one in train for label in one.labels),
    )
    size = sum(member.size for member in members) / 2**20
    note = (
        f"{len(members)} images of Parquet files are copied into {cache_folder()} ({size:.1f} MiB)"
    )
    return LabeledImages(LazyImages.of_files(members), labels, names, notes=(note,))


def _class_names(root: Path, tables: Sequence[ParquetTable]) -> tuple[str, ...] | None:
    """For the numbers of all files, which must agree."""
    first = tables[0]
    folder = root if root.is_dir() else root.parent
    inner = [first.path.parent] if isinstance(first.path, Path) else []
    beside = class_names_beside([folder, *inner])
    if beside is not None:
        return beside
    other = next((one for one in tables if one.class_names != first.class_names), None)
    if other is not None:
        raise DataError(f"{first.path} and {other.path} name different classes")
    return first.class_names


def _found(files: Sequence[Path]) -> list[ParquetTable]:
    """What each file holds; where it has not changed since it was last asked for, without another look."""
    try:
        states = [(path, path.stat()) for path in files]
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
    return [parquet_table(path, (state.st_size, state.st_mtime_ns)) for path, state in states]
