"""Rows of bytes, on disk or in memory: pixels and masks of many images."""

__all__ = ["NAMED", "DiskRows", "MemoryRows", "Rows"]

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from figureground.base.errors import DataError

NAMED = ".scenes-"
"""How names of files begin that other processes read."""


@runtime_checkable
class Rows(Protocol):
    """Rows of one shape, added at the end and read in any order."""

    def append(self, rows: UInt8[Tensor, "n ..."]) -> None:
        """Add rows at the end."""

    def __getitem__(self, rows: Int[Tensor, " n"]) -> UInt8[Tensor, "n ..."]: ...

    def close(self) -> None:
        """Give the room back."""


class DiskRows:
    """Rows of bytes in a file that goes with the process.

    Args:
        folder: Where there is room.
        shape: Of a row.
        named: Other processes, to which the rows are pickled, can read the file, which a killed process leaves behind.
    """

    def __init__(self, folder: Path, shape: Sequence[int], *, named: bool = False) -> None:
        self._file: IO[bytes] | None
        if named:
            place = folder.absolute()
            self._file = tempfile.NamedTemporaryFile(dir=place, prefix=NAMED)  # noqa: SIM115 - closed by ``close``
        else:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by ``close``
        self._shape, self._size = tuple(shape), math.prod(shape)
        self._count = 0

    def __getstate__(self) -> dict[str, Any]:
        """For another process: where the file is."""
        file = self._opened()
        file.flush()
        return {**vars(self), "_file": None, "_place": str(file.name)}

    def _opened(self) -> IO[bytes]:
        """The file; in another process, opened when it is read first."""
        if self._file is None:
            self._file = Path(vars(self)["_place"]).open("rb")  # noqa: SIM115 - closed by ``close``
        return self._file

    def __len__(self) -> int:
        return self._count

    def append(self, rows: UInt8[Tensor, "n ..."]) -> None:
        """Add rows at the end.

        Args:
            rows: ``(n, *shape)``.

        Raises:
            DataError: The disk is full.
        """
        try:
            file = self._opened()
            file.seek(self._count * self._size)
            file.write(rows.contiguous().numpy().tobytes())
        except OSError as error:
            raise DataError(f"cannot keep the images on disk: {error.strerror or error}") from error
        self._count += len(rows)

    def __getitem__(self, rows: Int[Tensor, " n"]) -> UInt8[Tensor, "n ..."]:
        read, file = bytearray(), self._opened()
        for row in rows.tolist():
            file.seek(row * self._size)
            read += file.read(self._size)
        flat = (
            torch.frombuffer(read, dtype=torch.uint8) if read else torch.zeros(0, dtype=torch.uint8)
        )
        return flat.view(len(rows), *self._shape)

    def close(self) -> None:
        """Give the room back."""
        self._opened().close()


class MemoryRows:
    """Rows of bytes in memory.

    Args:
        shape: Of a row.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self._parts = [torch.zeros(0, *shape, dtype=torch.uint8)]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def append(self, rows: UInt8[Tensor, "n ..."]) -> None:
        """Add rows at the end.

        Args:
            rows: ``(n, *shape)``.
        """
        self._parts.append(rows)

    def __getitem__(self, rows: Int[Tensor, " n"]) -> UInt8[Tensor, "n ..."]:
        if len(self._parts) > 1:  # joined when they are read first
            self._parts = [torch.cat(self._parts)]
        return self._parts[0][rows]

    def close(self) -> None:
        """Give the room back."""
        self._parts = [self._parts[0][:0]]
