"""How much of decoded images all threads hold at once: what is large is decoded one by one."""

__all__ = ["PIXELS_AT_ONCE", "holding", "until_used"]

import ctypes
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

# twelve threads with photographs of eight megapixels do not wait; two of the largest images that are decoded at all
# (Pillow's limit is 89 megapixels, some 16 bytes each while transparency is laid on white) never meet
PIXELS_AT_ONCE = 100_000_000
_LARGE = 2**24


class _Room:
    """Room for so many pixels, given in the order of asking."""

    def __init__(self, pixels: int) -> None:
        self._free = pixels
        self._most = pixels
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Room for one image, after a wait where there is none."""
        wanted = min(pixels, self._most)  # what is larger than all the room has it alone
        with self._turn:
            with self._changed:
                self._changed.wait_for(lambda: self._free >= wanted)
                self._free -= wanted
            if pixels > _LARGE:
                _return_freed()
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


def _return_freed() -> None:
    """The C library of Linux keeps for each thread what it has freed: all of them together, and one image is there."""
    with suppress(
        OSError, TypeError, AttributeError
    ):  # other systems have no such function, and no need of it
        ctypes.CDLL(None).malloc_trim(0)


_ROOM = _Room(PIXELS_AT_ONCE)
_THREAD = threading.local()


@contextmanager
def holding(pixels: int) -> Iterator[None]:
    """Room for an image while it is decoded; inside of ``until_used`` until that ends.

    Args:
        pixels: Of the image.

    Yields:
        Nothing, once there is room.
    """
    kept: ExitStack | None = getattr(_THREAD, "kept", None)
    if kept is None:
        with _ROOM.taken(pixels):
            yield
        return
    kept.close()  # one image at a time: a thread that waits holds nothing that others wait for
    kept.enter_context(_ROOM.taken(pixels))
    yield


@contextmanager
def until_used() -> Iterator[None]:
    """The room of an image that is decoded inside is given back at the end, not before it is made smaller."""
    before = getattr(_THREAD, "kept", None)
    with ExitStack() as kept:
        _THREAD.kept = kept
        try:
            yield
        finally:
            _THREAD.kept = before
