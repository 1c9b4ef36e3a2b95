"""Images that are decoded each time they are asked for, of any sizes."""

__all__ = ["FileDecoder", "LazyImages", "as_image"]

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from PIL import Image
from torch import Tensor

from figureground.base.places import Member, Place
from figureground.base.storage import RemoteFile
from figureground.base.value_range import FULL
from figureground.data.decoding import decode_image
from figureground.data.notices import Noticed, notices_of


class FileDecoder:
    """Decodes files by one range, and keeps what was odd about them.

    Args:
        value_range: As for `decode_image`.
        enough: As for `decode_image`.
    """

    def __init__(
        self,
        value_range: str = FULL,
        *,
        enough: Callable[[tuple[int, int]], tuple[int, int]] | None = None,
    ) -> None:
        self._value_range, self._enough = value_range, enough
        self._found: dict[str, tuple[Noticed, ...]] = {}

    def __call__(self, place: Place | str) -> Image.Image:
        """The upright image in a file.

        Args:
            place: The file, or the image's place in a larger one.

        Returns:
            It, as RGB; may raise `ImageError`.
        """
        image = decode_image(place, self._value_range, enough=self._enough)
        if notices := notices_of(image):
            self._found[str(place)] = tuple((str(place), one) for one in notices)
        return image

    @property
    def noticed(self) -> tuple[Noticed, ...]:
        """Of all files so far, each once."""
        return tuple(one for path in sorted(self._found) for one in self._found[path])


class LazyImages:
    """Images that are decoded each time they are asked for; sizes may differ.

    Args:
        decode: The upright image with this number; may raise `ImageError`.
        count: How many there are.
    """

    def __init__(self, decode: Callable[[int], Image.Image], count: int) -> None:
        self._decode = decode
        self._rows = torch.arange(count)
        self._places: tuple[Place, ...] | None = None

    @classmethod
    def of_files(cls, places: Sequence[Place]) -> "LazyImages":
        """Images in files.

        Args:
            places: One file each, or the places of images in larger files.

        Returns:
            The images, as RGB.
        """
        held = tuple(places)
        found = cls(partial(_decode_place, held), len(held))
        found._places = held
        return found

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Image.Image:
        return self._decode(int(self._rows[row]))

    def file(self, row: int) -> Path | RemoteFile | None:
        """The file of an image.

        Args:
            row: Which.

        Returns:
            It; None where the image has no file of its own.
        """
        place = self.place(row)
        return None if isinstance(place, Member) else place

    def place(self, row: int) -> Place | None:
        """Where an image is, without a look at it.

        Args:
            row: Which.

        Returns:
            Its file, or its place in a larger one; None where it is in no file.
        """
        return None if self._places is None else self._places[int(self._rows[row])]

    def decoded_by(self, decode: Callable[[Place], Image.Image]) -> "LazyImages":
        """The same images, decoded by another function where they are in files.

        Args:
            decode: The upright image in a file, or at its place in a larger one.

        Returns:
            Those images.
        """
        places = self._places
        if places is None:
            return self
        same = LazyImages(partial(_decoded_by, decode, places), 0)
        same._rows, same._places = self._rows, places
        return same

    def subset(self, rows: Int[Tensor, " n"]) -> "LazyImages":
        """Some of them.

        Args:
            rows: Which, in the order wanted.

        Returns:
            Those images, still to be decoded.
        """
        some = LazyImages(self._decode, 0)
        some._rows, some._places = self._rows[rows], self._places
        return some


def as_image(held: Image.Image | UInt8[Tensor, "c h w"]) -> Image.Image:
    """An image, whatever it is kept as.

    Args:
        held: Itself, or its pixels.

    Returns:
        It, in mode RGB, or L where one colour is stored.
    """
    if isinstance(held, Image.Image):
        return held
    return Image.fromarray(held.permute(1, 2, 0).squeeze(-1).numpy())


def _decode_place(places: tuple[Place, ...], row: int) -> Image.Image:
    return decode_image(places[row])


def _decoded_by(
    decode: Callable[[Place], Image.Image], places: tuple[Place, ...], row: int
) -> Image.Image:
    return decode(places[row])
