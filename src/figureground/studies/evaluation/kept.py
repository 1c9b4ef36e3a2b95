"""Per-image numbers of a study, kept batch by batch, so that a stopped job goes on and memory stays flat."""

__all__ = ["Kept"]

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from figureground.base.errors import DataError

_JOB = "job"


class Kept:
    """Columns of numbers with one row per image: a small file per batch, joined into one at the end.

    While the job runs, ``parts/00012.npz`` in the folder holds the rows of batch 12. ``join`` makes
    ``per_image.npz`` of them. Files of another job (other options, weights or pictures) are left unread.

    Args:
        folder: The job's folder; made where absent.
        job: Stands for everything that changes the numbers, such as a digest of the options.
        overwrite: Forget what an earlier run kept.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kept = Kept(Path(folder), "job 1")
        ...     kept.add(0, {"cam/area": np.array([0.5, 0.25])})
        ...     kept.add(1, {"cam/area": np.array([1.0])})
        ...     again = Kept(Path(folder), "job 1")
        ...     again.has(1), again.has(2), again.column("cam/area").tolist()
        (True, False, [0.5, 0.25, 1.0])
    """

    def __init__(self, folder: Path, job: str, *, overwrite: bool = False) -> None:
        self._parts = folder / "parts"
        self._job = job
        self._parts.mkdir(parents=True, exist_ok=True)
        for leftover in self._parts.glob(".*.part"):
            leftover.unlink(missing_ok=True)
        if overwrite:
            for path in self._paths():
                path.unlink()

    def has(self, batch: int) -> bool:
        """Whether the rows of this batch are kept.

        Args:
            batch: Its number, from 0.

        Returns:
            True where they need not be computed again.
        """
        try:
            with np.load(self._path(batch), allow_pickle=False) as arrays:
                return str(arrays[_JOB]) == self._job
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return False

    def add(self, batch: int, columns: Mapping[str, np.ndarray]) -> None:
        """Keep the rows of one batch, in one piece.

        Args:
            batch: Its number, from 0.
            columns: Name -> array with one row per image of the batch.

        Raises:
            DataError: The columns have different numbers of rows, or cannot be written.
        """
        if len({len(values) for values in columns.values()}) > 1:
            rows = {name: len(values) for name, values in columns.items()}
            raise DataError(f"columns of one batch differ in rows: {rows}")
        _write(self._path(batch), {_JOB: np.array(self._job), **columns})

    def names(self) -> list[str]:
        """The columns.

        Returns:
            Their names in the order in which they were given; none where nothing is kept.
        """
        for path in self._mine():
            with np.load(path, allow_pickle=False) as arrays:
                return [name for name in arrays.files if name != _JOB]
        return []

    def column(self, name: str) -> np.ndarray:
        """One column over all batches, in their order.

        Args:
            name: Of the column.

        Returns:
            ``(images, ...)``.

        Raises:
            DataError: Nothing of this name is kept.
        """
        parts = []
        for path in self._mine():
            with np.load(path, allow_pickle=False) as arrays:
                if name not in arrays.files:
                    raise DataError(f"{path} holds no column '{name}'")
                parts.append(arrays[name])
        if not parts:
            raise DataError(f"nothing is kept in {self._parts}")
        return np.concatenate(parts)

    def join(self, path: Path, names: Sequence[str] | None = None) -> Path:
        """All batches in one compressed file, for whoever wants the numbers themselves.

        Args:
            path: The ``.npz`` file.
            names: The columns; all where omitted.

        Returns:
            The path.
        """
        wanted = self.names() if names is None else names
        return _write(path, {name: self.column(name) for name in wanted})

    def _mine(self) -> Iterator[Path]:
        """Files of this job, in the order of the batches."""
        for path in self._paths():
            if self.has(int(path.stem)):
                yield path

    def _paths(self) -> list[Path]:
        return sorted(self._parts.glob("[0-9]*.npz"))

    def _path(self, batch: int) -> Path:
        return self._parts / f"{batch:05d}.npz"


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """An archive that appears whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    return path
