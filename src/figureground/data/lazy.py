"""Images that are decoded each time they are asked for, of any sizes."""

__all__ = ["FileDecoder", "LazyImages"]

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

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
        self._found: dict[Path, tuple[Noticed, ...]] = {}

    def __call__(self, path: Path | str) -> Image.Image:
        """The upright image in a file.

        Args:
            path: The file.

        Returns:
            It, as RGB; may raise `ImageError`.
        """
        image = decode_image(path, self._value_range, enough=self._enough)
        if notices := notices_of(image):
            self._found[Path(path)] = tuple((str(path), one) for one in notices)
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
        self._files: tuple[Path, ...] | None = None

    @classmethod
    def of_files(cls, paths: Sequence[Path]) -> "LazyImages":
        """Images in files.

        Args:
            paths: One file each.

        Returns:
            The images, as RGB.
        """
        files = tuple(paths)
        found = cls(partial(_decode_file, files), len(files))
        found._files = files
        return found

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Image.Image:
        return self._decode(int(self._rows[row]))

    def file(self, row: int) -> Path | None:
        """The file of an image.

        Args:
            row: Which.

        Returns:
            Its path; None where it has no file of its own.
        """
        return None if self._files is None else self._files[int(self._rows[row])]

    def decoded_by(self, decode: Callable[[Path], Image.Image]) -> "LazyImages":
        """The same images, decoded by another function where each has a file of its own.

        Args:
            decode: The upright image in a file.

        Returns:
            Those images.
        """
        files = self._files
        if files is None:
            return self
        same = LazyImages(partial(_decoded_by, decode, files), 0)
        same._rows, same._files = self._rows, files
        return same

    def subset(self, rows: Int[Tensor, " n"]) -> "LazyImages":
        """Some of them.

        Args:
            rows: Which, in the order wanted.

        Returns:
            Those images, still to be decoded.
        """
        some = LazyImages(self._decode, 0)
        some._rows, some._files = self._rows[rows], self._files
        return some


def _decode_file(paths: tuple[Path, ...], row: int) -> Image.Image:
    return decode_image(paths[row])


def _decoded_by(
    decode: Callable[[Path], Image.Image], paths: tuple[Path, ...], row: int
) -> Image.Image:
    return decode(paths[row])
