"""The plainest sources: one colour each, and inverted copies of others."""

__all__ = ["Invert", "Monochrome"]

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from figureground.data.background.source import (
    BackgroundSource,
    ImageArray,
    InOrder,
    checked_index,
    size_of,
)


@dataclass(frozen=True)
class Monochrome(InOrder):
    """Images of one colour: every combination of the levels in red, green and blue.

    Args:
        levels: Of each colour; the six of the paper give 216 images.
        side: In pixels.

    References:
        Kabir (2023). Reduction of Class Activation Uncertainty with Background Information.
        arXiv:2305.03238.

    Examples:
        >>> len(Monochrome()), Monochrome()[7][0, 0].tolist()
        (216, [0, 50, 50])
    """

    levels: tuple[int, ...] = (0, 50, 100, 150, 200, 250)
    side: int = 50
    name: str = "monochrome"

    @cached_property
    def _colours(self) -> list[tuple[int, ...]]:
        return list(product(self.levels, repeat=3))

    @property
    def provenance(self) -> Mapping[str, str]:
        """The rule."""
        return {"rule": f"one colour each, levels {', '.join(map(str, self.levels))}"}

    def __len__(self) -> int:
        return len(self.levels) ** 3

    def __getitem__(self, index: int) -> ImageArray:
        colour = self._colours[checked_index(index, len(self))]
        return np.full((self.side, self.side, 3), colour, np.uint8)

    def group(self, index: int) -> str:
        """The colour.

        Args:
            index: Of the image.

        Returns:
            Its name.
        """
        return f"colour {self._colours[checked_index(index, len(self))]}"


@dataclass(frozen=True)
class Invert(InOrder):
    """Each image of a source with dark and light exchanged, ``255 - x``.

    Args:
        source: Its groups are kept: an inverse stays on the side of its original.
    """

    source: BackgroundSource

    @property
    def name(self) -> str:
        """Short, for reports."""
        return f"{self.source.name}, inverted"

    @property
    def provenance(self) -> Mapping[str, str]:
        """That of the originals."""
        return {**self.source.provenance, "changed": "inverted"}

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> ImageArray:
        return 255 - self.source[checked_index(index, len(self))]

    def group(self, index: int) -> str:
        """The original's.

        Args:
            index: Of the image.

        Returns:
            Its name.
        """
        return self.source.group(checked_index(index, len(self)))

    def size(self, index: int) -> tuple[int, int]:
        """The original's.

        Args:
            index: Of the image.

        Returns:
            Width and height in pixels.
        """
        return size_of(self.source, checked_index(index, len(self)))
