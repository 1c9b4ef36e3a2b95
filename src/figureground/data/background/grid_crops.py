"""Crops of large images on a grid, at several scales."""

__all__ = ["CLOUD_GRIDS", "GRASS_GRIDS", "CropGrid", "GridCrops"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from figureground.base.errors import DataError, OptionError
from figureground.data.background.source import (
    BackgroundSource,
    ImageArray,
    InOrder,
    checked_index,
    size_of,
)


@dataclass(frozen=True)
class CropGrid:
    """Square crops at the same places of every image, or as many as fit side by side.

    Args:
        crop: Side in pixels.
        offsets: Upper left corners along each axis, pixels; None lays as many whole crops as fit,
            evenly from edge to edge.

    Raises:
        OptionError: A number is out of range.
    """

    crop: int = 512
    offsets: tuple[int, ...] | None = (100, 500, 900, 1300, 1700)

    def __post_init__(self) -> None:
        if self.crop < 1 or min(self.offsets or (0,)) < 0:
            raise OptionError(f"a crop of {self.crop} pixels at {self.offsets} cannot be")

    def along(self, side: int) -> list[int]:
        """Where crops begin.

        Args:
            side: Of the image, pixels.

        Returns:
            Offsets of those that would not all fit, too, where the offsets were given.

        Examples:
            >>> CropGrid(4, None).along(10), CropGrid(4, None).along(3)
            ([0, 6], [])
        """
        if self.offsets is not None:
            return list(self.offsets)
        count = side // self.crop
        return [round(at) for at in np.linspace(0, side - self.crop, count)] if count > 1 else (
            [(side - self.crop) // 2] * count
        )  # fmt: skip


GRASS_GRIDS = (CropGrid(512, (100, 500, 900, 1300, 1700)),)
CLOUD_GRIDS = (CropGrid(512, (100, 700)), CropGrid(200, (100, 300, 500, 700)))


class _Window(NamedTuple):
    """What one image shows: which original, which square of it (None: all), inverted or not."""

    row: int
    square: tuple[int, int, int] | None
    inverted: bool


class GridCrops(InOrder):
    """The whole of each image made small, squares of it on grids, and the inverse of each.

    With one grid of n x n offsets these are ``2 (1 + n²)`` per image: 52 for the paper's grass,
    and with its two grids 42 for the clouds.

    Args:
        source: Large images; their groups are kept.
        grids: Where crops lie.
        whole: Side in pixels of a square to which the whole image is brought, each pixel the mean
            of the area that it covers; None leaves the whole out.
        invert: Also the inverse of each.
        strict: A crop that does not fit its image is an error; otherwise it is left out.

    Raises:
        DataError: ``strict`` and a crop does not fit.

    References:
        Kabir (2023). arXiv:2305.03238, whose notebooks average with OpenCV's ``INTER_AREA``.
    """

    def __init__(
        self,
        source: BackgroundSource,
        *,
        grids: Sequence[CropGrid] = GRASS_GRIDS,
        whole: int | None = 512,
        invert: bool = True,
        strict: bool = False,
    ) -> None:
        self.name = f"{source.name}, grid crops"
        self.provenance: Mapping[str, str] = {
            **source.provenance,
            "changed": _words(grids, whole, invert=invert),
        }
        self._source = source
        self._whole = whole
        self.skipped = 0  # crops that did not fit
        self._windows: list[_Window] = []
        # crops of one image follow each other: it is decoded once
        self._original = lru_cache(maxsize=2)(source.__getitem__)
        for row in range(len(source)):
            squares = self._squares(row, grids, strict=strict)
            for inverted in (False, True)[: 1 + invert]:
                self._windows += [_Window(row, square, inverted) for square in squares]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> ImageArray:
        row, square, inverted = self._windows[checked_index(index, len(self))]
        original = self._original(row)
        if square is None:
            made = _averaged(original, self._whole or 0)
        else:
            x, y, crop = square
            made = original[y : y + crop, x : x + crop].copy()
        return 255 - made if inverted else made

    def group(self, index: int) -> str:
        """The image that it was cut from.

        Args:
            index: Of the crop.

        Returns:
            Its name.
        """
        return self._source.group(self._windows[checked_index(index, len(self))].row)

    def _squares(
        self, row: int, grids: Sequence[CropGrid], *, strict: bool
    ) -> list[tuple[int, int, int] | None]:
        """The whole, then x, y, side of the crops that fit."""
        width, height = size_of(self._source, row)
        squares: list[tuple[int, int, int] | None] = [] if self._whole is None else [None]
        for grid in grids:
            for x, y in ((x, y) for y in grid.along(height) for x in grid.along(width)):
                if max(x + grid.crop - width, y + grid.crop - height) <= 0:
                    squares.append((x, y, grid.crop))
                elif strict:
                    raise DataError(
                        f"a crop of {grid.crop} pixels at ({x}, {y}) does not fit image {row} of "
                        f"'{self._source.name}' with {width}x{height}"
                    )
                else:
                    self.skipped += 1
        return squares


def _averaged(image: ImageArray, side: int) -> ImageArray:
    """A square, each pixel the mean of its area; an image with a smaller side is interpolated."""
    if min(image.shape[:2]) < side:
        return np.array(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
    rows, columns = (_shares(length, side) for length in image.shape[:2])
    mean = np.stack([rows @ image[..., c].astype(np.float32) @ columns.T for c in range(3)], -1)
    return np.rint(mean).clip(0, 255).astype(np.uint8)


def _shares(length: int, side: int) -> np.ndarray:
    """(side, length): how much of each piece each pixel makes up."""
    ends = np.arange(side + 1)[:, None] * (length / side)
    pixels = np.arange(length)
    covered = np.minimum(ends[1:], pixels + 1) - np.maximum(ends[:-1], pixels)
    shares: np.ndarray = covered.clip(0).astype(np.float32) * np.float32(side / length)
    return shares


def _words(grids: Sequence[CropGrid], whole: int | None, *, invert: bool) -> str:
    parts = [] if whole is None else [f"whole to {whole}²"]
    for grid in grids:
        places = (
            "side by side" if grid.offsets is None else f"at {', '.join(map(str, grid.offsets))}"
        )
        parts.append(f"crops of {grid.crop}² {places}")
    return "; ".join([*parts, *(["and inverses"] if invert else [])])
