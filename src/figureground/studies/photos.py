"""Photos as a network wants them, decoded ahead of it by worker threads."""

__all__ = ["Failure", "Photo", "load_photos"]

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from figureground.base.errors import ImageError
from figureground.data import decode_image
from figureground.models import Preprocessing, View
from figureground.studies.places import shown


@dataclass(frozen=True)
class Photo:
    """One decoded photo.

    Args:
        path: Where it came from.
        pixels: ``(C, H, W)`` uint8, what the network sees before normalisation.
        view: How that lies in the photo.
    """

    path: Path
    pixels: Tensor
    view: View


@dataclass(frozen=True)
class Failure:
    """A photo that could not be used.

    Args:
        path: Where it is.
        reason: Why, in plain words.
    """

    path: str
    reason: str


def load_photos(
    paths: Iterable[Path], preprocessing: Preprocessing, *, workers: int = 2, ahead: int = 64
) -> Generator[Photo | Failure, None, None]:
    """Decode, resize and crop photos in threads, in order, at most ``ahead`` of the consumer.

    Args:
        paths: The files.
        preprocessing: How the network wants them.
        workers: Threads.
        ahead: How many decoded photos may wait.

    Yields:
        A photo, or a failure in its place.
    """
    waiting: deque[Future[Photo | Failure]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for path in paths:
                waiting.append(pool.submit(_load, path, preprocessing))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _load(path: Path, preprocessing: Preprocessing) -> Photo | Failure:
    try:
        pixels, view = preprocessing.view(decode_image(path))
    except ImageError as error:
        return Failure(shown(path), error.reason)
    return Photo(path, pixels, view)
