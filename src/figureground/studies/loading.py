"""Images as a network wants them, decoded ahead of it by worker threads."""

__all__ = ["LoadedImage", "load_images", "reading_threads"]

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from PIL import Image
from torch import Tensor

from figureground.base.errors import ImageError
from figureground.base.identity import shown
from figureground.base.places import Place, file_of
from figureground.base.storage import RemoteFile
from figureground.data import decode_image
from figureground.data.ahead import ahead
from figureground.data.holding import until_used
from figureground.data.notices import Notice, notices_of
from figureground.models import Preprocessing, View
from figureground.models.predicting import default_workers
from figureground.studies.failures import Failure

_REQUESTS = 32  # of a storage at a time


@dataclass(frozen=True)
class LoadedImage:
    """One decoded image.

    Args:
        path: Where it came from.
        pixels: ``(C, H, W)`` uint8, what the network sees before normalisation.
        view: How that lies in the image.
        notices: What was odd about it.
        encoded: Its bytes, where they came from a storage: to be decoded again they need not be fetched again.
    """

    path: Place
    pixels: Tensor
    view: View
    notices: tuple[Notice, ...] = ()
    encoded: bytes | None = None

    def decoded(self, value_range: str) -> Image.Image:
        """The image once more, at its own size.

        Args:
            value_range: As for ``decode_image``.

        Returns:
            It, upright.

        Raises:
            ImageError: It cannot be decoded any more.
        """
        return decode_image(self.path if self.encoded is None else self.encoded, value_range)


def load_images(
    paths: Iterable[Place],
    preprocessing: Preprocessing,
    *,
    workers: int | None = 2,
    waiting: int = 64,
) -> Generator[LoadedImage | Failure, None, None]:
    """Decode, resize and crop images in threads, in order, at most ``waiting`` of them before they are asked for.

    Args:
        paths: Where they are.
        preprocessing: How the network wants them.
        workers: Threads; None for ``default_workers``, or ``reading_threads`` of a storage.
        waiting: How many decoded images may wait.

    Yields:
        An image, or a failure in its place.
    """
    rest = iter(paths)
    first = list(islice(rest, 1))
    if workers is None:
        workers = reading_threads(first[0] if first else None, near=default_workers(None))
        waiting = max(waiting, 2 * workers)
    load = partial(_load, preprocessing)
    yield from ahead(load, chain(first, rest), workers=workers, waiting=waiting)


def reading_threads(place: Place | None, *, near: int) -> int:
    """How many threads read images: more where they lie in a storage, for which they wait most of the time.

    Args:
        place: Of one of the images; None where it is in no file.
        near: How many read images of this machine.

    Returns:
        Their number.
    """
    is_far = place is not None and isinstance(file_of(place), RemoteFile)
    return _REQUESTS if is_far else near


def _load(preprocessing: Preprocessing, path: Place) -> LoadedImage | Failure:
    try:
        encoded = path.read() if isinstance(path, RemoteFile) else None
        with until_used():
            image = decode_image(path if encoded is None else encoded, preprocessing.value_range)
            pixels, view = preprocessing.view(image)
    except ImageError as error:
        return Failure(shown(path), error.reason)
    return LoadedImage(path, pixels, view, notices_of(image), encoded)
