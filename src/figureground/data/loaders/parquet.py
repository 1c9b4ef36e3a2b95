"""Parquet files of encoded images with labels, as Hugging Face publishes data sets."""

__all__ = ["parquet_images"]

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.places import Member
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders.parquet_copy import cache_folder, copied_images
from figureground.data.loaders.shards import shard_parts, shards
from figureground.data.loaders.told_labels import Told, class_names_beside, numbered

_SUFFIX = ".parquet"
_METADATA = b"huggingface"
_BATCH = 64  # images in memory while they are copied


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
    if find_spec("pyarrow") is None:
        raise DataError("Parquet files are read with pyarrow: pip install 'figureground[parquet]'")
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


@dataclass(frozen=True)
class _Table:
    """What a Parquet file holds."""

    path: Path
    members: tuple[Member, ...]
    labels: tuple[Told, ...]
    class_names: tuple[str, ...] | None


def _class_names(root: Path, tables: Sequence[_Table]) -> tuple[str, ...] | None:
    """For the numbers of all files, which must agree."""
    first = tables[0]
    beside = class_names_beside([root if root.is_dir() else root.parent, first.path.parent])
    if beside is not None:
        return beside
    other = next((one for one in tables if one.class_names != first.class_names), None)
    if other is not None:
        raise DataError(f"{first.path} and {other.path} name different classes")
    return first.class_names


def _found(files: Sequence[Path]) -> list[_Table]:
    """What each file holds; where it has not changed since it was last asked for, without another look."""
    try:
        states = [(path, path.stat()) for path in files]
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
    return [_read(path, state.st_size, state.st_mtime_ns) for path, state in states]


@lru_cache(maxsize=4096)
def _read(path: Path, size: int, changed: int) -> _Table:
    """The labels of one file, and the places of its images in the copy."""
    with _reading(path):
        # nothing is read ahead, so that a file of one row group takes the memory of its pages, not its own
        parquet = import_module("pyarrow.parquet")
        file = parquet.ParquetFile(path, buffer_size=2**20, pre_buffer=False)
        columns = _Columns.of(path, file.schema_arrow)
        labels = _labels(path, file, columns.label)
    images = _encoded(path, file, columns.image)
    copy, offsets = copied_images(path, (size, changed, columns.image), images)
    import_module("pyarrow").default_memory_pool().release_unused()
    members = [
        Member(path, f"row {row}", begin, end - begin, copy)
        for row, (begin, end) in enumerate(pairwise(offsets.tolist()))
    ]
    return _Table(path, tuple(members), labels, columns.class_names)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What pyarrow raises as one line of ours."""
    try:
        yield
    except (OSError, ValueError, import_module("pyarrow").ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} is no Parquet file, or cut short or damaged: {reason}") from error


@dataclass(frozen=True)
class _Columns:
    """Which columns are wanted, and what the label's numbers are called."""

    image: str
    label: str
    class_names: tuple[str, ...] | None

    @classmethod
    def of(cls, path: Path, schema: Any) -> "_Columns":  # noqa: ANN401 - pyarrow is optional
        """Those of a file."""
        features = _features(path, schema)
        image = _column(path, schema.names, "image", described=_called(features, "Image"))
        label = _column(path, schema.names, "label", described=_called(features, "ClassLabel"))
        kind = str(schema.field(image).type)
        has_bytes = kind.startswith("struct<") and "bytes: " in kind
        if not has_bytes and kind not in {"binary", "large_binary"}:
            raise DataError(
                f"{path}: the column {image} is of the type {kind}, and is to hold encoded images: binary, or a struct "
                f"of bytes and path"
            )
        names = features.get(label, {}).get("names")
        return cls(image, label, tuple(map(str, names)) if names else None)


def _features(path: Path, schema: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    """What the file says of its columns: name -> its feature; empty where it says nothing."""
    try:
        told = json.loads((schema.metadata or {}).get(_METADATA, b"{}"))
        features = told.get("info", {}).get("features", {})
        return {name: one for name, one in features.items() if isinstance(one, dict)}
    except (ValueError, AttributeError) as error:
        raise DataError(f"{path}: its description by Hugging Face is damaged: {error}") from error


def _called(features: dict[str, dict[str, Any]], kind: str) -> list[str]:
    return [name for name, one in features.items() if one.get("_type") == kind]


def _column(path: Path, names: Sequence[str], wanted: str, *, described: list[str]) -> str:
    """The column of this name, or the only one that is described as such."""
    if wanted in names:
        return wanted
    if len(described) == 1 and described[0] in names:
        return described[0]
    raise DataError(
        f"{path} has no column {wanted}; its columns are {', '.join(names)}: rename the one that holds the {wanted}s"
    )


def _labels(path: Path, file: Any, column: str) -> tuple[Told, ...]:  # noqa: ANN401
    """One for each row."""
    labels = file.read(columns=[column], use_threads=False).column(0).to_pylist()
    for row, label in enumerate(labels):
        if type(label) not in {int, str}:
            told = (
                "no label" if label is None else f"the label {label!r}, no whole number and no name"
            )
            raise DataError(f"{path}: row {row} has {told} (column {column})")
    return tuple(labels)


def _encoded(path: Path, file: Any, column: str) -> Iterator[bytes]:  # noqa: ANN401
    """The images, a few in memory at a time."""
    batches = file.iter_batches(_BATCH, columns=[column], use_threads=False)
    row = 0
    while True:
        with _reading(path):
            batch = next(batches, None)
        if batch is None:
            return
        for value in batch.column(0).to_pylist():
            image = value.get("bytes") if isinstance(value, dict) else value
            if not isinstance(image, bytes):
                raise DataError(f"{path}: row {row} has no encoded image (column {column})")
            yield image
            row += 1
