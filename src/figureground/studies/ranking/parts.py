"""Scores on disk, a file for each thousand photos, each written in one piece: what a killed job goes on from."""

__all__ = ["Part", "Parts", "Row"]

import csv
import hashlib
import heapq
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from figureground.base.errors import DataError
from figureground.base.record import write_atomically
from figureground.studies.job import Job
from figureground.studies.ranking.options import Ranked

_FIRST = ("path", "score", "class", "probability")
_PROBLEM = "problem"


@dataclass(frozen=True)
class Row:
    """What was found of one photo.

    Args:
        path: Where it is, as text.
        best: Position of the best class among those sought; None where the photo could not be used.
        probability: Of that class.
        scores: Of each class sought.
        problem: Why it could not be used, or empty.
    """

    path: str
    best: int | None = None
    probability: float = 0.0
    scores: tuple[float, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Part:
    """Some of the photos, and the file that holds their scores once they are known."""

    paths: Sequence[Path]
    file: Path


class Parts:
    """The parts of a job, in the order of its photos.

    A part's file is named after the model, the options and every photo's place, size and date, so that a part is done
    again when any of them changes.

    Args:
        folder: Of the job.
        job: Model and options.
        paths: All photos.
        names: Of the classes sought.
        size: Photos of a part.
    """

    def __init__(
        self, folder: Path, job: Job, paths: Sequence[Path], *, names: Sequence[str], size: int
    ) -> None:
        self.folder, self.names = folder, tuple(names)
        self._places = folder / "parts"
        self.all = [
            self._part(number, paths[start : start + size], job)
            for number, start in enumerate(range(0, len(paths), size))
        ]
        self.todo = [part for part in self.all if not part.file.exists()]

    def write(self, part: Part, rows: Sequence[Row]) -> None:
        """Keep the scores of a part.

        Args:
            part: Which.
            rows: One for each of its photos, in order.
        """
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(self._cells(row) for row in rows)
        write_atomically(part.file, text.getvalue().encode("utf-8", "replace"))

    def rows(self) -> Iterator[Row]:
        """Every row of every part, one at a time.

        Yields:
            The rows, in the order of the photos.

        Raises:
            DataError: A part cannot be read.
        """
        for part in self.all:
            try:
                with part.file.open(newline="", encoding="utf-8") as file:
                    yield from self._counted(csv.reader(file), len(part.paths))
            except (OSError, ValueError) as error:
                raise DataError(
                    f"cannot read {part.file}: {error}; remove it to have it made anew"
                ) from error

    def finish(self, *, parquet: bool = False) -> None:
        """Write ``scores.csv``, and ``scores.parquet`` where it is wanted; forget parts of other jobs.

        Args:
            parquet: Whether it is; an old one that would tell something else is removed where it is not.

        Raises:
            DataError: The folder cannot be written to.
        """
        target = self.folder / "scores.csv"
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with part.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([*_FIRST, *(f"score of {name}" for name in self.names), _PROBLEM])
                writer.writerows(self._cells(row) for row in self.rows())
            part.replace(target)
            for old in set(self._places.glob("part-*.csv")) - {one.file for one in self.all}:
                old.unlink()
            for torn in (*self._places.glob(".part-*.part"), *self.folder.glob(".scores.*.part")):
                torn.unlink()  # what a killed job was writing
        except OSError as error:
            raise DataError(f"cannot write {target}: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)
        if parquet:
            _to_parquet(target)
        else:
            target.with_suffix(".parquet").unlink(missing_ok=True)

    def best(self, count: int) -> tuple[Ranked, ...]:
        """The highest scores, best first; of equal ones the earlier photo. Memory holds ``count`` rows.

        Args:
            count: How many.

        Returns:
            At most so many.
        """
        usable = (row for row in self.rows() if row.best is not None)
        rows = heapq.nlargest(count, usable, key=lambda row: row.scores[row.best or 0])
        return tuple(
            Ranked(row.path, row.scores[row.best or 0], self.names[row.best or 0], row.probability)
            for row in rows
        )

    def _part(self, number: int, paths: Sequence[Path], job: Job) -> Part:
        keys = "|".join([*(job.key(path) for path in paths), *self.names])
        digest = hashlib.sha256(keys.encode("utf-8", "replace")).hexdigest()[:12]
        return Part(paths, self._places / f"part-{number:06d}-{digest}.csv")

    def _cells(self, row: Row) -> list[object]:
        if row.best is None:
            return [row.path, "", "", "", *[""] * len(self.names), row.problem]
        best = row.scores[row.best]
        scores = [f"{score:.7g}" for score in row.scores]
        return [
            row.path,
            f"{best:.7g}",
            self.names[row.best],
            f"{row.probability:.6g}",
            *scores,
            "",
        ]

    def _counted(self, lines: Iterable[list[str]], wanted: int) -> Iterator[Row]:
        """The rows of a part; an error where it is not whole."""
        count = 0
        for count, cells in enumerate(lines, start=1):  # noqa: B007 - counted for the line below
            if len(cells) != len(_FIRST) + len(self.names) + 1:
                raise ValueError(f"a row has {len(cells)} cells")
            yield self._row(cells)
        if count != wanted:
            raise ValueError(f"{count} rows for {wanted} photos")

    def _row(self, cells: list[str]) -> Row:
        if cells[-1]:
            return Row(cells[0], problem=cells[-1])
        scores = tuple(float(cell) for cell in cells[len(_FIRST) : -1])
        return Row(cells[0], self.names.index(cells[2]), float(cells[3]), scores)


def _to_parquet(table: Path) -> None:
    """The same table as Parquet, a block at a time, in one piece."""
    arrow, read = import_module("pyarrow"), import_module("pyarrow.csv")
    with table.open(newline="", encoding="utf-8") as file:
        names = next(csv.reader(file))
    # told, not guessed: pyarrow guesses by the first block, where a column of problems may be empty
    words = {"path", "class", _PROBLEM}
    types = {name: arrow.string() if name in words else arrow.float64() for name in names}
    reader = read.open_csv(
        table,
        parse_options=read.ParseOptions(newlines_in_values=True),
        convert_options=read.ConvertOptions(column_types=types),
    )
    part = table.with_name(f".{table.stem}.parquet.{os.getpid()}.part")
    try:
        with import_module("pyarrow.parquet").ParquetWriter(part, reader.schema) as writer:
            for block in reader:
                writer.write_batch(block)
        part.replace(table.with_suffix(".parquet"))
    finally:
        part.unlink(missing_ok=True)
