"""Images of one size that are decoded each time they are asked for: any number of them, in flat memory."""

__all__ = ["Decoded", "StreamedImages"]

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import DataError, ImageError
from figureground.base.identity import digest, tensor_identity
from figureground.base.places import Member, Place, file_of
from figureground.base.storage import RemoteFile
from figureground.base.value_range import FULL
from figureground.data.decoding import full_size
from figureground.data.fitting import Fit, Window
from figureground.data.holding import until_used
from figureground.data.lazy import FileDecoder, LazyImages, as_image

_THREADS = 4


@dataclass(frozen=True)
class Decoded:
    """Some images of a stream.

    Args:
        pixels: ``(N, C, H, W)`` uint8; black where an image cannot be decoded.
        damaged: Row of such an image -> why.
    """

    pixels: Tensor
    damaged: dict[int, str] = field(default_factory=dict)


class StreamedImages:
    """Images of one size, decoded each time they are asked for; indexed by rows like a tensor ``(M, C, H, W)``.

    A file, of one image or of many, that is gone or has another size than at the beginning is an error: the data set
    changed. An image that cannot be decoded is black, and named in ``damaged``. Processes of a ``DataLoader`` may hold
    copies.

    Args:
        images: Of any size, in files or not; or in memory.
        fit: How they come to one size.
        value_range: As for `decode_image`, of images in files.
    """

    def __init__(self, images: LazyImages | Tensor, fit: Fit, *, value_range: str = FULL) -> None:
        self._images, self.fit, self._value_range = images, fit, value_range
        self.damaged: dict[int, str] = {}
        lazy = images if isinstance(images, LazyImages) else None
        self._places = [None if lazy is None else lazy.place(row) for row in range(len(images))]
        self._bytes = _bytes_of_each(self._places)
        whole, fitted = FileDecoder(value_range), FileDecoder(value_range, enough=fit.resized_size)
        self._whole = images if lazy is None else lazy.decoded_by(whole)
        self._fitted = images if lazy is None else lazy.decoded_by(fitted)
        self.channels = fit.channels or _channels(images)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def shape(self) -> torch.Size:
        """``(M, C, H, W)``."""
        return torch.Size([len(self), self.channels, *self.fit.size])

    @property
    def device(self) -> torch.device:
        """Where images come: the CPU."""
        return torch.device("cpu")

    def __getitem__(self, rows: Tensor | slice | int) -> Tensor:
        """Some of the images.

        Args:
            rows: ``(N,)`` int64 or bool, or a slice; or the number of one.

        Returns:
            ``(N, C, H, W)`` uint8, or ``(C, H, W)`` of one. Those that cannot be decoded are black, and in ``damaged``.

        Raises:
            DataError: A file has changed.
        """
        if isinstance(rows, int):
            return self[torch.tensor([range(len(self))[rows]])][0]
        chosen: list[int] = torch.arange(len(self))[
            rows.cpu() if isinstance(rows, Tensor) else rows
        ].tolist()
        found = self.decoded(chosen, threads=_THREADS)
        self.damaged |= found.damaged
        return found.pixels

    def decoded(self, rows: Sequence[int], *, threads: int = 0) -> Decoded:
        """Some of the images, and what is wrong with them; nothing is kept here.

        Args:
            rows: Which.
            threads: That decode; 0 for the caller's own.

        Returns:
            Both.

        Raises:
            DataError: A file has changed.
        """
        pixels = np.zeros((len(rows), *self.shape[1:]), np.uint8)
        damaged: dict[int, str] = {}

        def put(at: int) -> None:
            row = rows[at]
            self._check_unchanged(row)
            try:
                with until_used():
                    pixels[at] = self.fit.pixels(as_image(self._fitted[row])).numpy()
            except ImageError as error:
                damaged[row] = str(error)

        if threads and len(rows) > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(put, range(len(rows))))
        else:
            for at in range(len(rows)):
                put(at)
        return Decoded(torch.from_numpy(pixels), damaged)

    def original(self, row: int) -> tuple[Tensor, Window]:
        """An image at its own size.

        Args:
            row: Which.

        Returns:
            ``(C, h, w)`` uint8, and the part of it that ``fit`` keeps.

        Raises:
            DataError: Its file has changed.
            ImageError: It cannot be decoded.
        """
        self._check_unchanged(row)
        image = as_image(self._whole[row])
        image = image.convert("L" if self.channels == 1 else "RGB")
        array = np.array(image).reshape(image.height, image.width, -1)
        return torch.from_numpy(array).permute(2, 0, 1), self.fit.window_of(full_size(image))

    def subset(self, rows: Tensor) -> "StreamedImages":
        """Some of the images.

        Args:
            rows: Which, in the order wanted.

        Returns:
            Those, still to be decoded.
        """
        held = self._images
        some = held[rows] if isinstance(held, Tensor) else held.subset(rows)
        return StreamedImages(some, self.fit, value_range=self._value_range)

    def identity(self) -> str:
        """Stands for the images: names and sizes of their files; the pixels of those in none."""
        own = [row for row, place in enumerate(self._places) if place is None]
        names = [
            None if place is None else (*_named(place), size)
            for place, size in zip(self._places, self._bytes, strict=True)
        ]
        pixels = [tensor_identity(self[torch.tensor(part)]) for part in _parts(own)]
        return digest(names, pixels, self.fit)

    def _check_unchanged(self, row: int) -> None:
        place = self._places[row]
        path = None if place is None else file_of(place)
        if path is not None and (now := _bytes_of(path)) != self._bytes[row]:
            told = "is gone" if now < 0 else f"has {now} bytes, and had {self._bytes[row]}"
            raise DataError(f"the images changed while they were in use: {path} {told}")


def _channels(images: LazyImages | Tensor) -> int:
    return int(images.shape[1]) if isinstance(images, Tensor) else len(images[0].getbands())


def _named(place: Place) -> tuple[str | int, ...]:
    """Name of a file; of an image inside a larger one its own name, place and size too."""
    path = file_of(place)
    inside = (place.name, place.offset, place.size) if isinstance(place, Member) else ()
    folder = path.folder.rpartition("/")[2] if isinstance(path, RemoteFile) else path.parent.name
    return folder, path.name, *inside


def _bytes_of_each(places: Sequence[Place | None]) -> list[int]:
    """Size of the file that each image is in; one that holds many is asked once."""
    once = cache(_bytes_of)
    return [
        -1 if place is None else once(place.file) if isinstance(place, Member) else _bytes_of(place)
        for place in places
    ]


def _bytes_of(path: Path | RemoteFile) -> int:
    """Size of a file; -1 where there is none."""
    if isinstance(path, RemoteFile):
        return path.size
    try:
        return os.stat(path).st_size  # noqa: PTH116 - many of them
    except OSError:
        return -1


def _parts(rows: list[int], size: int = 512) -> list[list[int]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]
