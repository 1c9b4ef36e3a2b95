"""Encoded images inside larger files: where each lies, and how it is read."""

__all__ = ["Member", "Place", "decoded", "file_of"]

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from figureground.base.errors import DataError, ImageError
from figureground.base.value_range import FULL
from figureground.data.decoding import decode_image


@dataclass(frozen=True, slots=True)
class Member:
    """One encoded image inside a larger file. It holds no open file: any thread or process may read it.

    Args:
        file: The user's file, which is not to change while it is used.
        name: Of the image in it.
        offset: Where its bytes begin in ``store``.
        size: How many they are.
        store: The file that its bytes are read from; ``file`` itself where None.
    """

    file: Path
    name: str
    offset: int
    size: int
    store: Path | None = None

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"

    def read(self) -> bytes:
        """The encoded image.

        Returns:
            What a file of its own would hold; less where the larger file is cut short.

        Raises:
            DataError: The larger file cannot be read.
        """
        store = self.store or self.file
        try:
            with store.open("rb", buffering=0) as file:
                file.seek(self.offset)
                return file.read(self.size)
        except OSError as error:
            raise DataError(f"cannot read {store}: {error.strerror or error}") from error


Place: TypeAlias = Path | Member
"""Where an encoded image is: in a file of its own, or in a larger one."""


def file_of(place: Place) -> Path:
    """The file that an image is in.

    Args:
        place: Where it is.

    Returns:
        Its own file, or the larger one.
    """
    return place.file if isinstance(place, Member) else place


def decoded(
    place: Place | str,
    value_range: str = FULL,
    *,
    enough: Callable[[tuple[int, int]], tuple[int, int]] | None = None,
) -> Image.Image:
    """The upright image at a place.

    Args:
        place: Where it is.
        value_range: As for `decode_image`.
        enough: As for `decode_image`.

    Returns:
        It, as RGB.

    Raises:
        DataError: The larger file cannot be read.
        ImageError: It cannot be decoded; the error names its file, and the image where that holds many.
    """
    if not isinstance(place, Member):
        return decode_image(place, value_range, enough=enough)
    content = place.read()
    try:
        return decode_image(content, value_range, enough=enough)
    except ImageError as error:
        raise ImageError(str(place), error.reason) from error
