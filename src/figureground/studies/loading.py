"""Images as a network wants them, decoded ahead of it by worker threads."""

__all__ = ["LoadedImage", "load_images"]

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from figureground.base.errors import ImageError
from figureground.base.identity import shown
from figureground.data import decode_image
from figureground.data.ahead import ahead
from figureground.data.holding import until_used
from figureground.data.notices import Notice, notices_of
from figureground.models import Preprocessing, View
from figureground.studies.failures import Failure


@dataclass(frozen=True)
class LoadedImage:
    """One decoded image.

    Args:
        path: Where it came from.
        pixels: ``(C, H, W)`` uint8, what the network sees before normalisation.
        view: How that lies in the image.
        notices: What was odd about it.
    """

    path: Path
    pixels: Tensor
    view: View
    notices: tuple[Notice, ...] = ()


def load_images(
    paths: Iterable[Path], preprocessing: Preprocessing, *, workers: int = 2, waiting: int = 64
) -> Generator[LoadedImage | Failure, None, None]:
    """Decode, resize and crop images in threads, in order, at most ``waiting`` of them before they are asked for.

    Args:
        paths: The files.
        preprocessing: How the network wants them.
        workers: Threads.
        waiting: How many decoded images may wait.

    Yields:
        An image, or a failure in its place.
    """
    yield from ahead(partial(_load, preprocessing), paths, workers=workers, waiting=waiting)


def _load(preprocessing: Preprocessing, path: Path) -> LoadedImage | Failure:
    try:
        with until_used():
            image = decode_image(path, preprocessing.value_range)
            pixels, view = preprocessing.view(image)
    except ImageError as error:
        return Failure(shown(path), error.reason)
    return LoadedImage(path, pixels, view, notices_of(image))
