"""The diary of a job: a line per finished photo, so that a later run can go on where this one stopped."""

__all__ = ["Entries"]

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.record import append_line, write_atomically
from figureground.studies.job import Job
from figureground.studies.places import photo_id


class Entries:
    """``entries.jsonl`` of a folder.

    Lines of other jobs, of incomplete photos and of photos that have changed are dropped, and their files
    deleted, when ``begin`` is called with the first results at hand: a run that comes to nothing leaves
    the folder as it was. Lines of photos that this run was not asked for are kept.

    Args:
        folder: The job's folder; made where absent.
        job: The job.
        paths: The photos that this run is asked for.
        overwrite: Drop the lines of these photos too.

    Attributes:
        layers: Name and reason of each layer, of the last line.
        blank_maps: Number of maps that show nothing.
        count: Number of finished photos.

    Raises:
        DataError: The folder cannot be written to.
    """

    def __init__(self, folder: Path, job: Job, paths: Sequence[Path], *, overwrite: bool) -> None:
        self._folder = folder
        self._file = folder / "entries.jsonl"
        self._job = job
        self._keys = {path: job.key(path) for path in paths}
        self._asked = {
            photo_id(path): None if overwrite else key for path, key in self._keys.items()
        }
        self._check_folder()
        self._files = _names(folder / "images")
        self._done: set[str] = set()
        self._begun = False
        self.layers: list[dict[str, str]] = []
        self.blank_maps = 0
        for _, entry in self._read():
            if self._keeps(entry):
                self._note(entry)

    @property
    def count(self) -> int:
        """How many photos of the folder are finished."""
        return len(self._done)

    @property
    def asked(self) -> int:
        """How many photos this run is asked for."""
        return len(self._keys)

    def unfinished(self) -> list[Path]:
        """The photos asked for that, as they are now, are not done.

        Returns:
            In the order asked for.
        """
        return [path for path, key in self._keys.items() if key not in self._done]

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
            (self._folder / "record.json").unlink(missing_ok=True)
            stale = self._rewrite()
            stale |= {name for name in self._files if _is_part(name)}
            for name in stale:
                (self._folder / "images" / name).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"cannot write {self._folder}: {error.strerror or error}") from error

    def add_all(self, finished: Iterable[tuple[Path, dict[str, Any]]]) -> None:
        """Write the lines of photos whose files are complete.

        Args:
            finished: Photos and what is known of them.
        """
        for path, line in finished:
            self._add(path, line)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (entry for _, entry in self._read() if entry.get("key") in self._done)

    def _add(self, path: Path, line: dict[str, Any]) -> None:
        entry = {
            "key": self._keys[path],
            "photo": photo_id(path),
            "job": self._job.digest,
            **line,
        }
        append_line(self._file, entry)
        self._note(entry)

    def _check_folder(self) -> None:
        """Find out now, not after an hour, that nothing can be written."""
        probe = self._folder / f".writable.{os.getpid()}"
        write_atomically(probe, b"")
        probe.unlink(missing_ok=True)

    def _note(self, entry: dict[str, Any]) -> None:
        self._done.add(entry["key"])
        self.blank_maps += sum(panel["problem"] is not None for panel in entry["panels"])
        self.layers = entry["layers"]

    def _keeps(self, entry: dict[str, Any]) -> bool:
        """Whether a line belongs to this job, its photo is as it was, and its files are there."""
        try:
            unchanged = self._asked.get(entry["photo"], entry["key"]) == entry["key"]
            mine = entry["job"] == self._job.digest
            return unchanged and mine and _files_of(entry) <= self._files
        except (KeyError, TypeError):
            return False

    def _rewrite(self) -> set[str]:
        """Keep the lines that count; names of files that no line counts on any more."""
        kept: set[str] = set()
        dropped: set[str] = set()
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}.part")
        with part.open("w", encoding="utf-8") as file:
            for line, entry in self._read():
                keeps = self._keeps(entry)
                (kept if keeps else dropped).update(_files_of(entry))
                file.write(line if keeps else "")
        part.replace(self._file)
        return dropped - kept

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Whole lines; a half line that a killed run has left, or a damaged one, is no entry."""
        if not self._file.exists():
            return
        with self._file.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    entry = json.loads(line) if line.endswith("\n") else None
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield line, entry


def _files_of(entry: dict[str, Any]) -> set[str]:
    """Names of a photo's files in ``images``; nothing outside of it, whatever the line holds."""
    named = [entry.get("npz"), *(panel.get("png") for panel in entry.get("panels", []))]
    paths = [Path(name) for name in named if isinstance(name, str)]
    return {path.name for path in paths if path.parent == Path("images") and path.name != ".."}


def _is_part(name: str) -> bool:
    """Whether a file was being written when a run was killed."""
    return name.startswith(".") and name.endswith(".part")


def _names(folder: Path) -> set[str]:
    """Names of the files in a folder, which need not exist."""
    try:
        return {entry.name for entry in os.scandir(folder)}
    except OSError:
        return set()
