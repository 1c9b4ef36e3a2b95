"""The log of a run: a CSV file that a resumed run continues as if nothing had happened."""

__all__ = ["History", "ScalarLogger"]

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from figureground.base.errors import DataError
from figureground.base.record import write_atomically

_COLUMNS = ("step", "epoch", "split", "name", "value")


@runtime_checkable
class ScalarLogger(Protocol):
    """Anything that takes named numbers as Lightning's loggers do."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Write numbers.

        Args:
            metrics: Name -> number.
            step: Steps done.
        """


class History:
    """Named numbers over steps, one per line: ``step,epoch,split,name,value``.

    Args:
        path: The file, which the first number creates.

    Attributes:
        loggers: They get every number too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loggers: Sequence[ScalarLogger] = ()

    def add(self, step: int, epoch: int, *, split: str, values: dict[str, float]) -> None:
        """Append numbers.

        Args:
            step: Steps done.
            epoch: Of the epoch under way.
            split: ``train`` or ``val``.
            values: Name -> number.

        Raises:
            DataError: The folder cannot be written to, or the disk is full.
        """
        rows = [(step, epoch, split, name, repr(value)) for name, value in values.items()]
        text = io.StringIO(newline="")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            csv.writer(text, lineterminator="\n").writerows(
                rows if self.path.exists() else [_COLUMNS, *rows]
            )
            with self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(text.getvalue())
        except OSError as error:
            raise DataError(f"cannot write {self.path}: {error.strerror or error}") from error
        for logger in self.loggers:
            logger.log_metrics({f"{split}/{name}": value for name, value in values.items()}, step)

    def content(self) -> bytes:
        """All numbers so far as they stand in the file; nothing where there is none."""
        return self.path.read_bytes() if self.path.exists() else b""

    def restore(self, content: bytes) -> None:
        """Go back to what was there once, whatever has become of the file.

        Args:
            content: What ``content`` gave; nothing for a run that begins.

        Raises:
            DataError: The file cannot be written.
        """
        if content:
            write_atomically(self.path, content)
        else:
            self.path.unlink(missing_ok=True)

    def rows(self) -> list[dict[str, str]]:
        """All numbers so far: one dict of strings for each."""
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
