"""What a source of background images is, and several as one."""

__all__ = ["BackgroundSource", "Concat", "ImageArray", "InOrder", "checked_index", "size_of"]

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from figureground.base.errors import OptionError

ImageArray: TypeAlias = UInt8[np.ndarray, "_ _ 3"]
"""Rows, columns, red-green-blue, 0 to 255."""


@runtime_checkable
class BackgroundSource(Protocol):
    """Images that show none of the classes.

    ``group(i)`` names the original that image i was cut or made from: images of one original
    must stay on one side of a split. ``provenance`` says where they come from and by which rule
    they were chosen.
    """

    @property
    def name(self) -> str:
        """Short, for reports."""

    @property
    def provenance(self) -> Mapping[str, str]:
        """Address, licence, rule of selection, as far as known."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> ImageArray: ...

    def group(self, index: int) -> str:
        """The original.

        Args:
            index: Of the image.

        Returns:
            Its name, the same for all that was made from it.
        """


class InOrder:
    """Lets one loop over a source."""

    def __iter__(self: BackgroundSource) -> Iterator[ImageArray]:
        """The images from first to last."""
        return (self[index] for index in range(len(self)))


class Concat(InOrder):
    """Several sources, one after the other; groups that two of them share stay one group.

    Args:
        sources: In this order.
        name: Of the whole.

    Raises:
        OptionError: There are none.
    """

    def __init__(self, *sources: BackgroundSource, name: str = "mix") -> None:
        if not sources:
            raise OptionError("a mix needs at least one source")
        self.sources = sources
        self.name = name
        self._ends = list(accumulate(map(len, sources)))

    @property
    def provenance(self) -> Mapping[str, str]:
        """What the parts are."""
        return {"parts": "; ".join(f"{source.name} ({len(source)})" for source in self.sources)}

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> ImageArray:
        part, row = self.place(index)
        return self.sources[part][row]

    def group(self, index: int) -> str:
        """The original, as the part names it.

        Args:
            index: Of the image.

        Returns:
            Its name.
        """
        part, row = self.place(index)
        return self.sources[part].group(row)

    def place(self, index: int) -> tuple[int, int]:
        """Where an image is.

        Args:
            index: Of the image in the whole.

        Returns:
            Number of the part, and index in it.
        """
        row = checked_index(index, len(self))
        part = bisect_right(self._ends, row)
        return part, row - (self._ends[part - 1] if part else 0)


def checked_index(index: int, length: int) -> int:
    """An index that exists.

    Args:
        index: From the start, or from the end with a minus.
        length: How many there are.

    Returns:
        The index from the start.

    Raises:
        IndexError: There is no such image, which also ends a ``for`` loop.
    """
    if not -length <= index < length:
        raise IndexError(f"image {index} of {length}")
    return index % length


def size_of(source: BackgroundSource, index: int) -> tuple[int, int]:
    """How large an image is, without decoding it where the source knows.

    Args:
        source: It may have a method ``size(index)``.
        index: Of the image.

    Returns:
        Width and height in pixels.
    """
    known = getattr(source, "size", None)
    if known is not None:
        width, height = known(index)
        return width, height
    height, width = source[index].shape[:2]
    return width, height
