"""How images of any size become images of one size, and which part of each is kept."""

__all__ = ["Covering", "Fit", "Window", "moved_boxes"]

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from figureground.base.errors import unknown_option

Window: TypeAlias = tuple[float, float, float, float]
"""Part of an image: x0, y0, x1, y1 in its pixels, half-open; beyond its edges where there is a border."""


@runtime_checkable
class Fit(Protocol):
    """A way to bring images to one size; the preprocessing of a network is one."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what comes out, pixels."""

    @property
    def channels(self) -> int | None:
        """Of what comes out; None for those that the image has."""

    def resized_size(self, original: tuple[int, int]) -> tuple[int, int]:
        """Width and height that the whole image has before a part of it is kept.

        Args:
            original: Width and height of the image.
        """

    def window_of(self, original: tuple[int, int]) -> Window:
        """The part of an image that is kept.

        Args:
            original: Width and height of the image.
        """

    def pixels(self, image: Image.Image) -> Tensor:
        """What comes out.

        Args:
            image: Decoded.

        Returns:
            ``(C, H, W)`` uint8.
        """


@dataclass(frozen=True)
class Covering:
    """Images are scaled, bilinearly and with antialiasing, and the middle that has the target's shape is kept.

    Args:
        size: Height and width wanted, pixels.
        fit: ``crop`` scales until both sides are covered and cuts the middle; ``stretch`` does not keep the shape of
            things.

    Raises:
        OptionError: ``fit`` is neither.
    """

    size: tuple[int, int]
    fit: str = "crop"

    def __post_init__(self) -> None:
        if self.fit not in {"crop", "stretch"}:
            raise unknown_option("fit", self.fit, ("crop", "stretch"))

    @property
    def channels(self) -> int | None:
        """Those that the image has."""
        return None

    def resized_size(self, original: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the whole image when it is scaled.

        Args:
            original: Width and height of the image.

        Returns:
            Whole pixels.
        """
        left, top, right, bottom = self.window_of(original)
        height, width = self.size
        return round(original[0] * width / (right - left)), round(
            original[1] * height / (bottom - top)
        )

    def window_of(self, original: tuple[int, int]) -> Window:
        """The part of an image that is kept.

        Args:
            original: Width and height of the image.

        Returns:
            Inside the image.
        """
        height, width = self.size
        if self.fit == "stretch":
            return 0.0, 0.0, float(original[0]), float(original[1])
        scale = min(original[0] / width, original[1] / height)
        left, top = (original[0] - scale * width) / 2, (original[1] - scale * height) / 2
        return left, top, left + scale * width, top + scale * height

    def pixels(self, image: Image.Image) -> Tensor:
        """The image at the size wanted.

        Args:
            image: Decoded, in mode L or RGB.

        Returns:
            ``(C, H, W)`` uint8.
        """
        height, width = self.size
        if image.size != (width, height):
            window = self.window_of(image.size)
            image = image.resize((width, height), Image.Resampling.BILINEAR, box=window)
        array = np.array(image)
        return torch.from_numpy(array.reshape(height, width, -1)).permute(2, 0, 1)


def moved_boxes(boxes: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
    """Boxes where they lie in the part of an image that is kept.

    Args:
        boxes: ``(B, 4)`` xyxy, pixels of the image.
        window: That part.
        size: Height and width that it is brought to.

    Returns:
        In pixels of it, cut to it; those outside are left out.

    Examples:
        >>> moved_boxes(torch.tensor([[4.0, 4.0, 8.0, 8.0]]), (2.0, 0.0, 10.0, 8.0), (16, 16))
        tensor([[ 4.,  8., 12., 16.]])
    """
    place = torch.tensor(window)
    full = torch.tensor([size[1], size[0]] * 2, dtype=torch.float32)
    sides = (place[2:] - place[:2]).repeat(2)
    moved = (boxes - place[:2].repeat(2)) * full / sides
    moved = moved.clamp(min=0).minimum(full)
    return moved[(moved[:, 2:] > moved[:, :2]).all(dim=1)]
