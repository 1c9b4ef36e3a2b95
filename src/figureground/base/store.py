"""What a job has finished, on disk: a line per finished unit and the files that belong to it."""

__all__ = ["Store", "check_folder"]

import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from figureground.base.errors import DataError
from figureground.base.record import append_line, read_json, write_atomically

_LINES, _RECORD = "entries.jsonl", "record.json"
_FOLDERS = ("images", "parts")  # files of units lie in these, and nothing else is ever deleted

Columns = dict[str, np.ndarray]


class Store:
    """``entries.jsonl`` of a folder, so that a job that was stopped goes on where it stood.

    A unit is an image or a batch of images. Its key stands for everything that its results depend on. Lines of other
    jobs, of units that have changed and of units whose files are missing are dropped, with their files, when the first
    result is at hand: a run that comes to nothing leaves the folder as it was. Lines of units of the same job that
    this run does not ask for are kept.

    Args:
        folder: The job's folder; made where absent.
        kind: Kind of the job, as in the record. A folder with a record of another kind is refused.
        job: Digest of the network and the options.
        wanted: Unit -> key, in the order of the results.
        overwrite: Do the wanted units again.

    Raises:
        DataError: The folder holds something else, or cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        *,
        kind: str,
        job: str,
        wanted: Mapping[str, str],
        overwrite: bool = False,
    ) -> None:
        check_folder(folder, kind)
        self.folder = folder
        self._job, self._wanted, self._overwrite = job, dict(wanted), overwrite
        self._done: dict[str, dict[str, Any]] = {}
        self._begun = False
        _check_writable(folder)
        self._sizes = _sizes(folder)
        for _, entry in self._lines():
            if self._keeps(entry):
                self._done[entry["unit"]] = _without_content(entry)

    @property
    def count(self) -> int:
        """How many units of this job are finished, those of earlier runs included."""
        return len(self._done)

    def unfinished(self) -> list[str]:
        """Wanted units that are not finished, in order."""
        return [unit for unit in self._wanted if unit not in self._done]

    def begin(self) -> None:
        """Drop what does not belong to this job; from here to the end of the job there is no record.

        To be called before the first file is written, since it may have the name of one that is deleted here.

        Raises:
            DataError: The folder cannot be written to.
        """
        if self._begun:
            return
        self._begun = True
        try:
            (self.folder / _RECORD).unlink(missing_ok=True)
            for name in self._rewritten():
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"cannot write {self.folder}: {error.strerror or error}") from error

    def add(self, unit: str, content: Mapping[str, Any], files: Iterable[str] = ()) -> None:
        """Note a finished unit.

        Args:
            unit: Which.
            content: What is known of it; goes into its line.
            files: Its files, which are complete, relative to the folder.
        """
        self.begin()
        sizes = {name: (self.folder / name).stat().st_size for name in files}
        entry = {
            "unit": unit,
            "key": self._wanted[unit],
            "job": self._job,
            "files": sizes,
            **content,
        }
        append_line(self.folder / _LINES, entry)
        self._sizes |= sizes
        self._done[unit] = _without_content(entry)

    def add_columns(
        self, unit: str, columns: Mapping[str, np.ndarray], content: Mapping[str, Any] | None = None
    ) -> None:
        """Note a finished unit whose results are arrays with one row per image.

        Args:
            unit: Which.
            columns: Name -> array; none where no image of the unit could be used.
            content: What else is known of it.

        Raises:
            DataError: The arrays have different numbers of rows, or cannot be written.
        """
        if len({len(values) for values in columns.values()}) > 1:
            rows = {name: len(values) for name, values in columns.items()}
            raise DataError(f"columns of one batch differ in rows: {rows}")
        self.begin()
        data, name = _packed(columns), f"parts/{unit}.npz"
        write_atomically(self.folder / name, data)
        self.add(unit, {**(content or {}), "part": name, "crc32": zlib.crc32(data)}, [name])

    def entries(self) -> Iterator[dict[str, Any]]:
        """Lines of all finished units of this job, one at a time, in the order in which they were finished.

        Yields:
            What was added, with ``unit``, ``key``, ``job`` and ``files``.
        """
        for _, entry in self._lines():
            if self._counts(entry):
                yield entry

    def parts(self) -> Iterator[Columns]:
        """Arrays of the wanted units, one unit at a time, in order; units without a usable image are passed over.

        Yields:
            Name -> array.
        """
        for unit in self._wanted:
            columns = self._read(unit)
            if columns:
                yield columns

    def columns(self) -> Columns:
        """Arrays of all wanted units, joined in order.

        Returns:
            Name -> array; empty where no image could be used.

        Raises:
            DataError: The units do not have the same columns.
        """
        parts = list(self.parts())
        if len({tuple(part) for part in parts}) > 1:
            raise DataError(f"the batches stored in {self.folder / 'parts'} have different columns")
        return {
            name: np.concatenate([part[name] for part in parts])
            for name in (parts[0] if parts else ())
        }

    def write_columns(self, name: str) -> Columns:
        """All columns in one compressed file, for whoever wants the numbers themselves.

        Args:
            name: Of the ``.npz`` file in the folder.

        Returns:
            The columns.
        """
        columns = self.columns()
        self.write_arrays(name, columns)
        return columns

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Arrays in one compressed file.

        Args:
            name: Of the ``.npz`` file in the folder.
            arrays: Name -> array.
        """
        write_atomically(self.folder / name, _packed(arrays))

    def _read(self, unit: str) -> Columns:
        """The arrays of a finished unit."""
        entry = self._done[unit]
        data = (self.folder / entry["part"]).read_bytes()
        if zlib.crc32(data) != entry["crc32"]:
            raise DataError(f"{self.folder / entry['part']} is damaged; run again with --overwrite")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def _counts(self, entry: dict[str, Any]) -> bool:
        """Whether a line is the one of a finished unit."""
        mine = self._done.get(str(entry.get("unit")))
        return mine is not None and mine["key"] == entry.get("key")

    def _keeps(self, entry: dict[str, Any]) -> bool:
        """Whether a line belongs to this job, its unit is as it was, and its files are there as they were."""
        try:
            unit = entry["unit"]
            wanted = self._wanted.get(unit)
            if entry["job"] != self._job or wanted not in {None, entry["key"]}:
                return False
            if self._overwrite and wanted is not None:
                return False
            known = all(self._sizes.get(name) == size for name, size in _files_of(entry).items())
            return known and ("part" not in entry or self._undamaged(entry))
        except (AttributeError, KeyError, OSError, TypeError):
            return False

    def _undamaged(self, entry: dict[str, Any]) -> bool:
        """Whether the arrays are what was written."""
        data = (self.folder / entry["part"]).read_bytes()
        return entry["part"] in _files_of(entry) and zlib.crc32(data) == entry["crc32"]

    def _rewritten(self) -> set[str]:
        """Keep the lines that count; returns the files that no line counts on any more."""
        kept: set[str] = set()
        dropped = {name for name in self._sizes if _is_partial(name)}
        lines = []
        for line, entry in self._lines():
            keeps = self._counts(entry) and self._keeps(entry)
            (kept if keeps else dropped).update(_files_of(entry))
            lines += [line] if keeps else []
        write_atomically(self.folder / _LINES, "".join(lines).encode())
        return dropped - kept

    def _lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Whole lines; a half line that a killed run has left, or a damaged one, is no entry."""
        file = self.folder / _LINES
        if not file.exists():
            return
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    entry = json.loads(line) if line.endswith("\n") else None
                except (ValueError, RecursionError):
                    continue
                if isinstance(entry, dict):
                    yield line, entry


def check_folder(folder: Path, kind: str) -> None:
    """Refuse a folder that holds the results of another kind of job.

    Args:
        folder: Where results are to go.
        kind: Of the job.

    Raises:
        DataError: It holds a training run, or a record of another kind.
    """
    if (folder / "recipe.yaml").exists():
        raise DataError(f"{folder} holds a training run; name another folder with --out")
    if (folder / _RECORD).exists():
        record = read_json(folder / _RECORD)
        held = record.get("kind") if isinstance(record, dict) else None
        if held != kind:
            raise DataError(
                f"{folder} holds results of '{held}', not of '{kind}'; name another folder with --out"
            )


def _packed(columns: Mapping[str, np.ndarray]) -> bytes:
    """A compressed archive."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)  # type: ignore[arg-type]
    return buffer.getvalue()


def _without_content(entry: dict[str, Any]) -> dict[str, Any]:
    """What has to be remembered of a finished unit; the rest stays on disk."""
    return {name: entry[name] for name in ("key", "part", "crc32") if name in entry}


def _files_of(entry: dict[str, Any]) -> dict[str, int]:
    """A unit's files and their sizes; nothing outside of our own folders, whatever the line holds."""
    files = entry.get("files")
    named = files.items() if isinstance(files, dict) else ()
    return {
        name: size
        for name, size in named
        if str(Path(name).parent) in _FOLDERS and Path(name).name != ".."
    }


def _check_writable(folder: Path) -> None:
    """Find out now, not after an hour, that nothing can be written."""
    probe = folder / f".writable.{os.getpid()}"
    write_atomically(probe, b"")
    probe.unlink(missing_ok=True)


def _sizes(folder: Path) -> dict[str, int]:
    """Size of every file in our own folders, which need not exist."""
    found: dict[str, int] = {}
    for name in _FOLDERS:
        if (folder / name).is_dir():
            with os.scandir(folder / name) as files:
                found |= {
                    f"{name}/{file.name}": file.stat().st_size for file in files if file.is_file()
                }
    return found


def _is_partial(name: str) -> bool:
    """Whether a file was being written when a run was killed."""
    return Path(name).name.startswith(".") and name.endswith(".part")
