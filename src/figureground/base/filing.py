"""Files of finished units, written in threads; the line that counts on them comes when they are complete."""

__all__ = ["Filing"]

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from figureground.base.record import write_atomically
from figureground.base.store import Store

_THREADS = 4  # each waits for the disk most of the time
_MOST_WAITING = 2**26  # bytes that are not yet on the disk


class Filing:
    """Notes units in a store, in order, each when its files are on the disk.

    Leaving it, also by an error, waits for what was begun: it is finished and shall not have to be done again.

    Args:
        store: Of the job.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="file")
        self._waiting: deque[tuple[int, Future[None], str, Mapping[str, Any], list[str]]] = deque()
        self._bytes = 0

    def __enter__(self) -> "Filing":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what has begun."""
        try:
            while self._waiting:
                self._next()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def put(self, unit: str, content: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Write a unit's files, and note it when they are there.

        Args:
            unit: Which.
            content: What is known of it; goes into its line.
            files: Name relative to the folder -> content.

        Raises:
            DataError: The folder cannot be written to, or the disk is full, for this unit or an earlier one.
        """
        self._store.begin()
        size = sum(map(len, files.values()))
        job = self._pool.submit(_write, self._store.folder, files)
        self._waiting.append((size, job, unit, content, list(files)))
        self._bytes += size
        while self._waiting and (self._bytes > _MOST_WAITING or self._waiting[0][1].done()):
            self._next()

    def _next(self) -> None:
        size, job, unit, content, names = self._waiting.popleft()
        self._bytes -= size
        job.result()
        self._store.add(unit, content, names)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        write_atomically(folder / name, content)
