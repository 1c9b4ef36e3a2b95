"""What was noticed about images that could be decoded all the same, as one line for a whole job."""

__all__ = [
    "NOTICES",
    "Notice",
    "Noticed",
    "attach",
    "notices_of",
    "noticing",
    "summed",
    "warnings_noticed",
]

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from PIL import Image, _imaging

from figureground.base.amount import amount

_KEY = "figureground"
NOTICES = {
    "small-range": (
        "less than an eighth of the range that the file can hold is used, so that all is dark; a range (12-bit, data "
        "or lo,hi) says what is white"
    ),
    "decoder-warning": "decoded with a warning",
}
_LOCAL = threading.local()


@dataclass(frozen=True)
class Notice:
    """One thing.

    Args:
        kind: ``small-range`` or ``decoder-warning``.
        detail: In words.
    """

    kind: str
    detail: str


Noticed: TypeAlias = tuple[str, Notice]
"""Name of an image, and what was noticed about it."""


def notices_of(image: Image.Image) -> tuple[Notice, ...]:
    """What was noticed while an image was decoded.

    Args:
        image: What ``decode_image`` gave.

    Returns:
        Each thing once.
    """
    found: tuple[Notice, ...] = image.info.get(_KEY, ())
    return found


def summed(noticed: Iterable[Noticed]) -> tuple[str, ...]:
    """One sentence for every kind of thing.

    Args:
        noticed: All of a job; the same image and thing may come twice.

    Returns:
        How many images, what, and one of them as an example.

    Examples:
        >>> summed([("a.tif", Notice("decoder-warning", "odd tag"))] * 2)
        ('1 image: decoded with a warning; for example a.tif: odd tag',)
    """
    first: dict[str, dict[str, str]] = {}
    for name, one in noticed:
        first.setdefault(one.kind, {}).setdefault(name, one.detail)
    lines = []
    for kind, images in sorted(first.items()):
        name, detail = next(iter(images.items()))
        lines.append(
            f"{amount(len(images), 'image')}: {NOTICES[kind]}; for example {name}: {detail}"
        )
    return tuple(lines)


@contextmanager
def noticing() -> Iterator[list[Notice]]:
    """A list for what is noticed about the image that this thread decodes.

    Yields:
        The list; warnings come into it inside of ``warnings_noticed``.
    """
    found: list[Notice] = []
    before = getattr(_LOCAL, "found", None)
    _LOCAL.found = found
    try:
        yield found
    finally:
        _LOCAL.found = before


def attach(image: Image.Image, notices: Iterable[Notice]) -> Image.Image:
    """Have an image carry what was noticed about it.

    Args:
        image: Decoded.
        notices: Any number.

    Returns:
        The same image.
    """
    found = tuple(dict.fromkeys(notices))
    if found:
        image.info[_KEY] = found
    return image


@contextmanager
def warnings_noticed() -> Iterator[None]:
    """Warnings that decoders give, of whatever file, become notices of that file; none prints without its name.

    What libtiff calls an error ends as an `ImageError` anyway, and is not printed besides. The filters of the process
    are changed, so this is for a program that owns it.
    """
    with warnings.catch_warnings(), _silent_libtiff():
        warnings.filterwarnings("always", module=r"(PIL|pillow_heif)\.")
        shown = warnings.showwarning

        def notice(message: Warning | str, category: type[Warning], *where: Any) -> None:  # noqa: ANN401 - as there
            if not _noticed(str(message)):
                shown(message, category, *where)

        warnings.showwarning = notice  # type: ignore[assignment]  # a place of file names and lines
        journal, handler = logging.getLogger("tifffile"), _Logged()
        journal.addHandler(handler)
        try:
            yield
        finally:
            journal.removeHandler(handler)


class _Logged(logging.Handler):
    """Takes what tifffile logs instead of warning."""

    def emit(self, record: logging.LogRecord) -> None:
        """One message.

        Args:
            record: The message.
        """
        _noticed(record.getMessage())


def _noticed(message: str) -> bool:
    """Whether a message belongs to an image that this thread decodes, whose notice it is from now on."""
    found: list[Notice] | None = getattr(_LOCAL, "found", None)
    if found is not None:
        found.append(Notice("decoder-warning", " ".join(message.split())))
    return found is not None


@contextmanager
def _silent_libtiff() -> Iterator[None]:
    """The library that Pillow brought writes past Python, and calls every file tempfile.tif."""
    try:
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (
        OSError,
        AttributeError,
    ):  # a Pillow without it, or a system that does not look into what it loads
        yield
        return
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    before = set_handler(None)
    try:
        yield
    finally:
        set_handler(before)
