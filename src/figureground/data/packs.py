"""Packs: many encoded images in one ``.npz`` file, decoded one by one when asked for."""

__all__ = ["NO_ARRAY", "ImagePack", "Mnist", "load_mnist", "shared_folder"]

import operator
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import SupportsIndex

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy.lib.npyio import NpzFile
from PIL import Image

from figureground.base.errors import DataError, ImageError
from figureground.data.decoding import decode_image, image_size

# the header of an array is a line of Python, and what parses it has errors of its own
NO_ARRAY = (
    *(OSError, ValueError, EOFError, MemoryError, OverflowError, RecursionError, RuntimeError),
    *(SyntaxError, TokenError, zipfile.BadZipFile, zlib.error),
)
"""What numpy raises where a file holds no array, or one that was cut short or claims what cannot be."""


def shared_folder() -> Path | None:
    """The folder of real data for tests and experiments, or None where there is none.

    It is ``data`` inside the folder that the environment variable ``FIGUREGROUND_SHARED`` names
    (``../shared`` without it).

    Returns:
        The folder, which exists, or None.
    """
    folder = Path(os.environ.get("FIGUREGROUND_SHARED") or "../shared") / "data"
    return folder if folder.is_dir() else None


class ImagePack:
    """A pack of images: ``len(pack)``, ``pack[i]``, decoded at each call, and what is known of it.

    The file holds ``data`` (encoded files joined end to end) and ``off`` (n + 1 offsets), and may
    hold ``label``, ``name``, ``classes`` or ``wnid``, ``test``, and boxes: ``box`` (n, 4) in pixels
    with the last pixel inside, or ``box_image`` and ``box_rel`` with ``orig_size``, fractions of
    the original image's sides with its last pixel inside.

    Args:
        path: The ``.npz`` file.

    Attributes:
        path: The file.
        labels: Class of each image (n,), int64; None where unknown.
        names: Name of each image; made of the pack's name and the index where it has none.
        classes: Names of the classes; None where unknown.
        is_test: Which images belong to the test part (n,); None where not divided.

    Raises:
        DataError: The file cannot be read or contradicts itself.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._arrays = _read(self.path, needed=("data", "off"))
        _check_pack(self.path, self._arrays)
        self._data = self._arrays["data"]
        self._offsets = self._arrays["off"].astype(np.int64)
        self.labels: Int[np.ndarray, " N"] | None = self._optional("label", np.int64)
        self.is_test: Bool[np.ndarray, " N"] | None = self._optional("test", np.bool_)
        self.names = self._names()
        classes = self._arrays.get("classes", self._arrays.get("wnid"))
        self.classes = None if classes is None else [str(name) for name in classes]

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: SupportsIndex) -> Image.Image:
        try:
            return decode_image(self.encoded(index))
        except ImageError as error:
            raise ImageError(f"{self.path}[{operator.index(index)}]", error.reason) from error

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[index] for index in range(len(self)))

    def encoded(self, index: SupportsIndex) -> bytes:
        """The bytes of one encoded image.

        Args:
            index: 0 to n - 1, or from the end with a minus.

        Returns:
            What a file of this image would hold.

        Raises:
            IndexError: There is no such image.
        """
        row = operator.index(index)
        if not -len(self) <= row < len(self):
            raise IndexError(f"image {row} of {len(self)} in {self.path}")
        row %= len(self)
        return self._data[self._offsets[row] : self._offsets[row + 1]].tobytes()

    @cached_property
    def boxes(self) -> list[np.ndarray] | None:
        """Boxes (B, 4) of each stored image, xyxy pixels, half-open; None where unknown."""
        if "box" in self._arrays:
            inclusive = self._arrays["box"].astype(np.float32)
            return list((inclusive + np.array([0, 0, 1, 1], np.float32))[:, None])
        if "box_rel" in self._arrays:
            return self._boxes_from_fractions()
        return None

    def _boxes_from_fractions(self) -> list[np.ndarray]:
        """Fractions that include the last original pixel, as half-open stored pixels."""
        rows = self._arrays["box_image"].astype(np.int64)
        original = self._arrays["orig_size"][rows].astype(np.float64)
        stored = np.array([image_size(self.encoded(row)) for row in range(len(self))])[rows]
        fractions = self._arrays["box_rel"].astype(np.float64)
        fractions[:, 2:] += 1 / original
        pixels = (fractions * np.tile(stored, 2)).astype(np.float32)
        return [pixels[rows == row] for row in range(len(self))]

    def _names(self) -> list[str]:
        """The stored names, or the pack's name with an index."""
        if "name" in self._arrays:
            return [str(name) for name in self._arrays["name"]]
        return [f"{self.path.stem}[{index}]" for index in range(len(self))]

    def _optional(self, key: str, kind: type[np.generic]) -> np.ndarray | None:
        """An array in this type, if the pack has it."""
        return self._arrays[key].astype(kind) if key in self._arrays else None


@dataclass(frozen=True)
class Mnist:
    """Handwritten digits.

    Args:
        images: 0 (ground) to 255.
        labels: 0 to 9.
        is_test: Which belong to the official test part; the others are in the official training
            order.
    """

    images: UInt8[np.ndarray, "N 28 28"]
    labels: Int[np.ndarray, " N"]
    is_test: Bool[np.ndarray, " N"]


def load_mnist(path: Path | str | None = None) -> Mnist:
    """MNIST from an ``.npz`` file with ``images``, ``labels`` and ``test``.

    Args:
        path: The file; without it ``packs/mnist.npz`` of `shared_folder`.

    Returns:
        All digits of the file.

    Raises:
        DataError: The file is missing or contradicts itself.
    """
    if path is None:
        folder = shared_folder()
        if folder is None:
            raise DataError("no path to MNIST given and no shared folder; set FIGUREGROUND_SHARED")
        path = folder / "packs" / "mnist.npz"
    file = Path(path)
    arrays = _read(file, needed=("images", "labels", "test"))
    images, labels, test = (arrays[key] for key in ("images", "labels", "test"))
    if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
        raise DataError(f"{file}: 'images' is {images.dtype} {images.shape}, not uint8 (n, 28, 28)")
    _check_lengths(file, {"labels": labels, "test": test}, len(images))
    return Mnist(images, labels.astype(np.int64), test.astype(np.bool_))


def _read(path: Path, *, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    """All arrays of the file; pickled objects are refused."""
    try:
        # opened here, because np.load leaves a file open that is no archive
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, NpzFile):
                raise DataError(f"cannot read the pack {path}: one array, not an archive of arrays")
            arrays = {key: archive[key] for key in archive.files}
    except NO_ARRAY as error:
        raise DataError(f"cannot read the pack {path}: {error}") from error
    absent = [key for key in needed if key not in arrays]
    if absent:
        held = ", ".join(arrays) or "nothing"
        raise DataError(f"{path}: no array {', '.join(map(repr, absent))}; it holds {held}")
    return arrays


def _check_pack(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse offsets, lengths and boxes that contradict each other."""
    data, offsets = arrays["data"], arrays["off"]
    if data.ndim != 1 or data.dtype != np.uint8:
        raise DataError(f"{path}: 'data' is {data.dtype} {data.shape}, not uint8 (bytes,)")
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) == 0:
        raise DataError(
            f"{path}: 'off' is {offsets.dtype} {offsets.shape}, not whole numbers (n + 1,)"
        )
    if offsets[0] != 0 or offsets[-1] != len(data) or (offsets[1:] < offsets[:-1]).any():
        raise DataError(f"{path}: 'off' must rise from 0 to the length of 'data', {len(data)}")
    count = len(offsets) - 1
    per_image = ("label", "name", "test", "box", "orig_size")
    _check_lengths(path, {key: arrays[key] for key in per_image if key in arrays}, count)
    if "box" in arrays and arrays["box"].shape != (count, 4):
        raise DataError(f"{path}: 'box' is {arrays['box'].shape}, not ({count}, 4)")
    if "box_rel" in arrays:
        _check_fractions(path, arrays, count)


def _check_fractions(path: Path, arrays: Mapping[str, np.ndarray], count: int) -> None:
    """Refuse relative boxes without an image or an original size."""
    absent = [key for key in ("box_image", "orig_size") if key not in arrays]
    if absent:
        raise DataError(f"{path}: 'box_rel' needs {', '.join(map(repr, absent))} too")
    rows, fractions, sizes = arrays["box_image"], arrays["box_rel"], arrays["orig_size"]
    if fractions.shape != (len(rows), 4) or sizes.shape != (count, 2):
        raise DataError(
            f"{path}: 'box_rel' {fractions.shape} or 'orig_size' {sizes.shape} is misshapen"
        )
    if len(rows) and (rows.min() < 0 or rows.max() >= count):
        raise DataError(f"{path}: 'box_image' names images outside 0..{count - 1}")


def _check_lengths(path: Path, arrays: Mapping[str, np.ndarray], count: int) -> None:
    """Refuse arrays that do not have one row per image."""
    for key, array in arrays.items():
        if array.ndim == 0 or len(array) != count:
            raise DataError(f"{path}: '{key}' has shape {array.shape}; {count} rows are needed")
