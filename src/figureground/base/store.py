"""What a job has finished, on disk: a line per finished unit and the files that belong to it."""

__all__ = ["STORED", "Store", "job_of_version"]

import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from figureground.base.claim import Claim
from figureground.base.errors import DataError
from figureground.base.identity import digest
from figureground.base.record import (
    append_line,
    is_whole,
    provenance,
    replaced,
    sealed,
    write_atomically,
)

_LINES, _RECORD = "entries.jsonl", "record.json"
_FOLDERS = ("images", "parts")  # files of units lie in these, and nothing else is ever deleted

STORED = (*_FOLDERS, _LINES, _RECORD, "report.html")
"""Names that every folder with a store may hold, for ``claimed``."""

Columns = dict[str, np.ndarray]


class Store:
    """``entries.jsonl`` of a folder, so that a job that was stopped goes on where it stood.

    A unit is an image or a batch of images. Its key stands for everything that its results depend on. Lines that are
    damaged, of other jobs, of units that have changed and of units whose files are missing or damaged are dropped, with
    their files, when the first result is at hand: a run that comes to nothing leaves the folder as it was. Lines of
    units of the same job that this run does not ask for are kept as long as they are ``current``. Units that were made
    ``together``, as their lines say, are made again together: a resumed job has the results of an undisturbed one.

    Args:
        claim: The job's folder.
        job: Digest of the network and the options.
        asked: What the user asked for, name -> value, as the folder's mark keeps it.
        wanted: Unit -> key, in the order of the results.
        overwrite: Do the wanted units again.
        current: Whether a line of a unit that this run does not ask for still tells of something that is there.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        job: str,
        asked: Mapping[str, object],
        wanted: Mapping[str, str],
        overwrite: bool = False,
        current: Callable[[dict[str, Any]], bool] = lambda _: True,
    ) -> None:
        self.folder = claim.folder
        self._claim, self._asked, self._wanted = claim, dict(asked), dict(wanted)
        self._job, self._overwrite, self._current = job_of_version(job), overwrite, current
        self._done: dict[str, dict[str, Any]] = {}
        self._begun = False
        for _, entry in self._lines():
            if self._keeps(entry):
                self._done[entry["unit"]] = _without_content(entry)
        for unit in [one for one in self._done if self._lacks_others(one)]:
            del self._done[unit]

    @property
    def count(self) -> int:
        """How many units of this job are finished, those of earlier runs included."""
        return len(self._done)

    def unfinished(self) -> list[str]:
        """Wanted units that are not finished, in order."""
        return [unit for unit in self._wanted if unit not in self._done]

    def put_in_order(self) -> None:
        """Bring the lines into the order of the wanted units, others after them, however they were finished.

        Raises:
            DataError: The folder cannot be written to.
        """
        places: dict[str, tuple[int, int]] = {}
        with (self.folder / _LINES).open("rb") as old:
            start = 0
            for line in old:
                places[str(json.loads(line)["unit"])] = (start, len(line))
                start += len(line)
            order = [unit for unit in self._wanted if unit in places]
            order += [unit for unit in places if unit not in self._wanted]
            if order != list(places):
                with replaced(self.folder / _LINES) as new:
                    for at, length in (places[unit] for unit in order):
                        old.seek(at)
                        new.write(old.read(length))

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
            self._claim.mark(self._asked)
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
        entry = sealed(
            {
                "unit": unit,
                "key": self._wanted[unit],
                "job": self._job,
                "files": {name: _checksum(self.folder / name) for name in files},
                **content,
            }
        )
        append_line(self.folder / _LINES, entry)
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
        name = f"parts/{unit}.npz"
        write_atomically(self.folder / name, _packed(columns))
        self.add(unit, {**(content or {}), "part": name}, [name])

    def entries(self) -> Iterator[dict[str, Any]]:
        """Lines of all finished units of this job, one at a time, as they stand in the file.

        Yields:
            What was added, with ``unit``, ``key``, ``job`` and ``files``.
        """
        for _, entry in self._lines():
            if self._counts(entry):
                yield entry

    def parts(self, only: Iterable[str] | None = None) -> Iterator[tuple[str, Columns]]:
        """Arrays of the wanted units, one unit at a time, in order; units without a usable image are passed over.

        Args:
            only: Some of the wanted units; None for all.

        Yields:
            Unit, and name -> array.
        """
        for unit in self._wanted if only is None else only:
            columns = self._read(unit)
            if columns:
                yield unit, columns

    def columns(self) -> Columns:
        """Arrays of all wanted units, joined in order.

        Returns:
            Name -> array; empty where no image could be used.

        Raises:
            DataError: The units do not have the same columns.
        """
        parts = [columns for _, columns in self.parts()]
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
        file = self.folder / entry["part"]
        try:
            data = file.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {file}: {error.strerror or error}") from error
        if zlib.crc32(data) != entry["files"][entry["part"]]:
            raise DataError(f"{file} is damaged; run again: what it held is done anew")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def _counts(self, entry: dict[str, Any]) -> bool:
        """Whether a line is the one of a finished unit."""
        mine = self._done.get(str(entry.get("unit")))
        return mine is not None and mine["check"] == entry["check"]

    def _keeps(self, entry: dict[str, Any]) -> bool:
        """Whether a line belongs to this job, its unit is as it was, and its files are there as they were."""
        try:
            wanted = self._wanted.get(entry["unit"])
            fits = self._current(entry) if wanted is None else wanted == entry["key"]
            again = self._overwrite and wanted is not None
            files = _files_of(entry)
            return (
                entry["job"] == self._job
                and fits
                and not again
                and ("part" not in entry or entry["part"] in files)
                and all(_checksum(self.folder / name) == held for name, held in files.items())
            )
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            return False

    def _lacks_others(self, unit: str) -> bool:
        """Whether a wanted unit was made together with others that must be made again."""
        together = self._done[unit].get("together", ())
        return unit in self._wanted and any(
            one in self._wanted and one not in self._done for one in together
        )

    def _rewritten(self) -> set[str]:
        """Keep the lines that count; returns the files that no line counts on any more."""
        kept: set[str] = set()
        dropped: set[str] = set()
        written: set[str] = set()
        with replaced(self.folder / _LINES) as file:
            for line, entry in self._lines():
                keeps = self._counts(entry) and entry["unit"] not in written
                (kept if keeps else dropped).update(_files_of(entry))
                if keeps:
                    written.add(entry["unit"])
                    file.write(line)
        return dropped - kept

    def _lines(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Whole lines; a half line that a killed run has left, or one whose checksum is wrong, is no entry."""
        file = self.folder / _LINES
        if not file.exists():
            return
        with file.open("rb") as lines:
            for line in lines:
                try:
                    entry = json.loads(line) if line.endswith(b"\n") else None
                except (ValueError, RecursionError):
                    continue
                if isinstance(entry, dict) and is_whole(entry):
                    yield line, entry


def job_of_version(job: str) -> str:
    """A job as this version of figureground does it: what another version has measured is not this.

    Args:
        job: Digest of all else that the job depends on.

    Returns:
        Sixteen hexadecimal digits.
    """
    return digest(job, provenance("").versions["figureground"])


def _packed(columns: Mapping[str, np.ndarray]) -> bytes:
    """A compressed archive."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)  # type: ignore[arg-type]
    return buffer.getvalue()


def _without_content(entry: dict[str, Any]) -> dict[str, Any]:
    """What has to be remembered of a finished unit; the rest stays on disk."""
    return {name: entry[name] for name in ("check", "files", "part", "together") if name in entry}


def _files_of(entry: dict[str, Any]) -> dict[str, int]:
    """A unit's files and their checksums; nothing outside of our own folders, whatever the line holds."""
    files = entry.get("files")
    named = files.items() if isinstance(files, dict) else ()
    return {name: held for name, held in named if _is_ours(Path(name).parts)}


def _is_ours(parts: tuple[str, ...]) -> bool:
    """Whether a name is that of a file in one of our folders, or in those that divide them."""
    inner = parts[1:-1]
    divided = len(inner) == 1 and re.fullmatch("[0-9a-f]{2}", inner[0]) is not None
    return len(parts) > 1 and parts[0] in _FOLDERS and (not inner or divided) and parts[-1] != ".."


def _checksum(file: Path) -> int:
    """Of a whole file."""
    return zlib.crc32(file.read_bytes())
