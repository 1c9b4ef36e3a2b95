"""Work that threads do ahead of whoever needs its results."""

__all__ = ["ahead"]

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int, waiting: int
) -> Generator[Result, None, None]:
    """Results in the order of the items, computed in threads before they are asked for.

    Args:
        work: Called with every item, in threads.
        items: May be endless.
        workers: Threads.
        waiting: How many results may be ready or under way.

    Yields:
        One result for every item. Closing the generator stops the work.

    Examples:
        >>> list(ahead(abs, [-1, 2, -3], workers=2, waiting=2))
        [1, 2, 3]
    """
    futures: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                futures.append(pool.submit(work, item))
                if len(futures) >= waiting:
                    yield futures.popleft().result()
            while futures:
                yield futures.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
