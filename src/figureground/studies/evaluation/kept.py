"""Per-image numbers of a study, kept batch by batch, so that a stopped job goes on and memory stays flat."""

__all__ = ["Kept"]

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from figureground.base.errors import DataError
from figureground.studies.evaluation.items import SetProblem

_JOB, _PROBLEMS = "job", "problems"
_NOT_COLUMNS = {_JOB, _PROBLEMS}

_JOB = "job"


class Kept:
    """Columns of numbers with one row per image: a small file per batch, joined into one at the end.

    While the job runs, ``parts/00012.npz`` in the folder holds the rows of batch 12. ``join`` makes
    ``per_image.npz`` of them. Files of another job (other options, weights or pictures) are left unread.

    Args:
        folder: The job's folder; made where absent.
        job: Stands for everything that changes the numbers, such as a digest of the options.
        overwrite: Forget what an earlier run kept.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kept = Kept(Path(folder), "job 1")
        ...     kept.add(0, {"cam/area": np.array([0.5, 0.25])})
        ...     kept.add(1, {"cam/area": np.array([1.0])})
        ...     again = Kept(Path(folder), "job 1")
        ...     again.has(1), again.has(2), again.table()["cam/area"].tolist()
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
            # opened here, because np.load leaves a file open that is no archive
            with self._path(batch).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return str(arrays[_JOB]) == self._job
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return False

    def add(
        self,
        batch: int,
        columns: Mapping[str, np.ndarray],
        problems: Sequence[SetProblem] = (),
    ) -> None:
        """Keep the rows of one batch, in one piece.

        Args:
            batch: Its number, from 0.
            columns: Name -> array with one row per image of the batch; none where no image could be used.
            problems: What went wrong in this batch.

        Raises:
            DataError: The columns have different numbers of rows, or cannot be written.
        """
        if len({len(values) for values in columns.values()}) > 1:
            rows = {name: len(values) for name, values in columns.items()}
            raise DataError(f"columns of one batch differ in rows: {rows}")
        words = [(one.kind, one.where, one.message) for one in problems]
        noted = np.array(words, dtype=np.str_).reshape(-1, 3)
        _write(self._path(batch), {_JOB: np.array(self._job), _PROBLEMS: noted, **columns})

    def problems(self) -> list[SetProblem]:
        """What went wrong in all batches, those of earlier runs included.

        Returns:
            The problems in the order of the batches.
        """
        found = []
        for path in self._mine():
            with np.load(path, allow_pickle=False) as arrays:
                found += [SetProblem(*map(str, words)) for words in arrays[_PROBLEMS]]
        return found

    def table(self) -> dict[str, np.ndarray]:
        """Everything that is kept, over all batches in their order.

        Returns:
            Name -> ``(images, ...)``; nothing where no image could be used.

        Raises:
            DataError: The batches do not have the same columns.
        """
        parts: list[dict[str, np.ndarray]] = []
        for path in self._mine():
            with np.load(path, allow_pickle=False) as arrays:
                part = {name: arrays[name] for name in arrays.files if name not in _NOT_COLUMNS}
            # a batch without one usable picture has no columns at all
            parts += [part] if part else []
        if len({tuple(part) for part in parts}) > 1:
            raise DataError(f"the batches kept in {self._parts} have different columns")
        names = list(parts[0]) if parts else []
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def join(self, path: Path) -> Path:
        """All batches in one compressed file, for whoever wants the numbers themselves.

        Args:
            path: The ``.npz`` file.

        Returns:
            The path.
        """
        return _write(path, self.table())

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
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    return path
