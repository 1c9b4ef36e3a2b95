"""Pictures of a source in order, decoded by threads a little ahead."""

__all__ = ["Watch", "fetched"]

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

from figureground.base.errors import ImageError
from figureground.data.background.source import BackgroundSource, Picture

Watch: TypeAlias = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is."""


def fetched(
    source: BackgroundSource, rows: Iterable[int], *, workers: int = 4
) -> Generator[tuple[int, Picture | ImageError], None, None]:
    """Each picture, or why it cannot be had; at most four per worker are held.

    Args:
        source: Where from.
        rows: Which, in this order.
        workers: Threads.

    Yields:
        Row and picture, or row and reason.
    """

    def one(row: int) -> Picture | ImageError:
        try:
            return source[row]
        except ImageError as error:
            return error

    waiting: deque[tuple[int, Future[Picture | ImageError]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for row in rows:
            waiting.append((row, pool.submit(one, row)))
            if len(waiting) >= 4 * workers:
                first, result = waiting.popleft()
                yield first, result.result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()
