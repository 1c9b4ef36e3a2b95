"""Images of a source in order, decoded by threads a little ahead."""

__all__ = ["fetched"]

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from figureground.base.errors import ImageError
from figureground.data.background.source import BackgroundSource, ImageArray
from figureground.data.holding import until_used


def fetched(
    source: BackgroundSource, rows: Iterable[int], *, workers: int = 4
) -> Generator[tuple[int, ImageArray | ImageError], None, None]:
    """Each image, or why it cannot be had; at most four per worker are held.

    Args:
        source: Where from.
        rows: Which, in this order.
        workers: Threads.

    Yields:
        Row and image, or row and reason.
    """

    def one(row: int) -> ImageArray | ImageError:
        try:
            with until_used():
                return source[row]
        except ImageError as error:
            return error

    waiting: deque[tuple[int, Future[ImageArray | ImageError]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for row in rows:
            waiting.append((row, pool.submit(one, row)))
            if len(waiting) >= 4 * workers:
                first, result = waiting.popleft()
                yield first, result.result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result.result()
