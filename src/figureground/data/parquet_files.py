"""Images in a column of Parquet files, which are copied once to where any of them is read at once."""

__all__ = ["ParquetTable", "images_in_parquet", "parquet_table"]

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.places import Member
from figureground.base.storage import RemoteFile, opened
from figureground.data.cached import copied_images

_METADATA = b"huggingface"
_BATCH = 64  # images in memory while they are copied
_AT_ONCE = 2**22  # bytes that are fetched of a file in a storage


@dataclass(frozen=True)
class ParquetTable:
    """What a Parquet file holds.

    Args:
        path: Of the file.
        members: Its images, in a copy of them.
        labels: A number or a name each; none where they were not asked for.
        class_names: What its own description calls the numbers.
    """

    path: Path | RemoteFile
    members: tuple[Member, ...]
    labels: tuple[int | str, ...] = ()
    class_names: tuple[str, ...] | None = None


@lru_cache(maxsize=4096)
def parquet_table(
    path: Path | RemoteFile, state: tuple[object, ...], *, has_labels: bool = True
) -> ParquetTable:
    """The labels of one file, and its images, of which there is a copy in ``cache_folder()`` from then on.

    Args:
        path: The file, here or in a storage.
        state: What tells that it is as it was: it is then not read again.
        has_labels: Whether labels are wanted.

    Returns:
        What it holds.

    Raises:
        DataError: It cannot be read or is cut short, lacks a column or a value, or pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise DataError("Parquet files are read with pyarrow: pip install 'figureground[parquet]'")
    with _opened(path) as source:
        with _reading(path):
            # nothing is read ahead, so that a file of one row group takes the memory of its pages, not its own
            parquet = import_module("pyarrow.parquet")
            file = parquet.ParquetFile(source, buffer_size=2**20, pre_buffer=False)
            columns = _Columns.of(path, file.schema_arrow, has_labels=has_labels)
            labels = _labels(path, file, columns.label) if columns.label else ()
        images = _encoded(path, file, columns.image, needs_all=has_labels)
        copy, offsets = copied_images(path, (*state, columns.image, has_labels), images)
    import_module("pyarrow").default_memory_pool().release_unused()
    members = [
        Member(path, f"row {row}", begin, end - begin, copy)
        for row, (begin, end) in enumerate(pairwise(offsets.tolist()))
    ]
    return ParquetTable(path, tuple(members), labels, columns.class_names)


def images_in_parquet(path: Path | RemoteFile) -> tuple[Member, ...]:
    """The images of a Parquet file, whatever other columns it has.

    Args:
        path: The file, here or in a storage.

    Returns:
        Their places, in the order of the rows.

    Raises:
        DataError: As for ``parquet_table``.
    """
    if isinstance(path, RemoteFile):
        state: tuple[object, ...] = (path.size, path.version)
    else:
        about = path.stat()
        state = (about.st_size, about.st_mtime_ns)
    return parquet_table(path, state, has_labels=False).members


def _opened(path: Path | RemoteFile) -> AbstractContextManager[Any]:
    return opened(path, _AT_ONCE) if isinstance(path, RemoteFile) else nullcontext(path)


@contextmanager
def _reading(path: Path | RemoteFile) -> Iterator[None]:
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
    label: str | None
    class_names: tuple[str, ...] | None

    @classmethod
    def of(
        cls,
        path: Path | RemoteFile,
        schema: Any,  # noqa: ANN401 - pyarrow is optional
        *,
        has_labels: bool,
    ) -> "_Columns":
        """Those of a file."""
        features = _features(path, schema)
        image = _column(path, schema.names, "image", described=_called(features, "Image"))
        label = None
        if has_labels:
            told = _called(features, "ClassLabel")
            label = _column(path, schema.names, "label", described=told)
        kind = str(schema.field(image).type)
        has_bytes = kind.startswith("struct<") and "bytes: " in kind
        if not has_bytes and kind not in {"binary", "large_binary"}:
            raise DataError(
                f"{path}: the column {image} is of the type {kind}, and is to hold encoded images: binary, or a struct "
                f"of bytes and path"
            )
        names = features.get(label or "", {}).get("names")
        return cls(image, label, tuple(map(str, names)) if names else None)


def _features(path: Path | RemoteFile, schema: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    """What the file says of its columns: name -> its feature; empty where it says nothing."""
    try:
        told = json.loads((schema.metadata or {}).get(_METADATA, b"{}"))
        features = told.get("info", {}).get("features", {})
        return {name: one for name, one in features.items() if isinstance(one, dict)}
    except (ValueError, AttributeError) as error:
        raise DataError(f"{path}: its description by Hugging Face is damaged: {error}") from error


def _called(features: dict[str, dict[str, Any]], kind: str) -> list[str]:
    return [name for name, one in features.items() if one.get("_type") == kind]


def _column(
    path: Path | RemoteFile, names: Sequence[str], wanted: str, *, described: list[str]
) -> str:
    """The column of this name, or the only one that is described as such."""
    if wanted in names:
        return wanted
    if len(described) == 1 and described[0] in names:
        return described[0]
    raise DataError(
        f"{path} has no column {wanted}; its columns are {', '.join(names)}: rename the one that holds the {wanted}s"
    )


def _labels(path: Path | RemoteFile, file: Any, column: str) -> tuple[int | str, ...]:  # noqa: ANN401
    """One for each row."""
    labels = file.read(columns=[column], use_threads=False).column(0).to_pylist()
    for row, label in enumerate(labels):
        if type(label) not in {int, str}:
            told = (
                "no label" if label is None else f"the label {label!r}, no whole number and no name"
            )
            raise DataError(f"{path}: row {row} has {told} (column {column})")
    return tuple(labels)


def _encoded(
    path: Path | RemoteFile,
    file: Any,  # noqa: ANN401
    column: str,
    *,
    needs_all: bool,
) -> Iterator[bytes]:
    """The images, a few in memory at a time; without a label to lose, one that is missing is empty, and told later."""
    batches = file.iter_batches(_BATCH, columns=[column], use_threads=False)
    row = 0
    while True:
        with _reading(path):
            batch = next(batches, None)
        if batch is None:
            return
        for value in batch.column(0).to_pylist():
            image = value.get("bytes") if isinstance(value, dict) else value
            if image is None and not needs_all:
                image = b""
            if not isinstance(image, bytes):
                raise DataError(f"{path}: row {row} has no encoded image (column {column})")
            yield image
            row += 1
