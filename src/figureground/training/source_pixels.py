"""Where the pixels of augmented images come from, so that maps, masks and boxes can follow any transform."""

__all__ = ["SourcePixels", "coordinates", "source_pixels"]

from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.data.fitting import Window

_OUTSIDE = 0.0  # what transforms fill with is 0 or more; coordinates are below 0


@dataclass(frozen=True)
class SourcePixels:
    """For each pixel of an augmented image the pixel of the stored one that it shows.

    Args:
        rows: ``(N, H, W)`` int64; -1 where it shows none.
        columns: ``(N, H, W)`` int64, likewise.
    """

    rows: Tensor
    columns: Tensor

    def apply(self, images: Tensor) -> Tensor:
        """Others that lie on the stored images (maps, masks), moved as the images were.

        Args:
            images: ``(N, C, h, w)`` of any type, of the size of the stored images.

        Returns:
            ``(N, C, H, W)``, the nearest pixel each; zero where the augmented image shows nothing of the stored one.
        """
        rows, columns = self.rows.to(images.device), self.columns.to(images.device)
        image = torch.arange(len(images), device=images.device)[:, None, None]
        moved = images[image, :, rows.clamp(min=0), columns.clamp(min=0)].permute(0, 3, 1, 2)
        return moved * ((rows >= 0) & (columns >= 0))[:, None]

    def to(self, device: torch.device) -> "SourcePixels":
        """The same on a device.

        Args:
            device: The device.

        Returns:
            The coordinates there.
        """
        return SourcePixels(
            self.rows.to(device, non_blocking=True), self.columns.to(device, non_blocking=True)
        )

    def joined(self, other: "SourcePixels") -> "SourcePixels":
        """Those of two batches.

        Args:
            other: What comes after.

        Returns:
            The joined coordinates.
        """
        return SourcePixels(
            torch.cat([self.rows, other.rows]), torch.cat([self.columns, other.columns])
        )


def coordinates(height: int, width: int) -> Tensor:
    """An image of its own coordinates, to go through a transform as a mask.

    Args:
        height: Pixels.
        width: Pixels.

    Returns:
        ``(2, height, width)`` float32: row and column, as ``-1 - number`` so that nothing a transform fills in is one.
    """
    rows = torch.arange(height, dtype=torch.float32)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.float32)[None].expand(height, width)
    return -1 - torch.stack([rows, columns])


def source_pixels(moved: Tensor, window: Window, size: tuple[int, int]) -> Tensor:
    """Which pixels of the stored image a transformed image shows.

    Args:
        moved: ``(2, H, W)``, what became of ``coordinates`` of the image that the transform began from.
        window: The part of that image which is stored.
        size: Height and width of the stored image.

    Returns:
        ``(2, H, W)`` int64, row and column; -1 where it shows none.

    Examples:
        >>> flipped = coordinates(2, 4).flip(2)
        >>> source_pixels(flipped, (1.0, 0.0, 3.0, 2.0), (2, 2))[1]
        tensor([[-1,  1,  0, -1],
                [-1,  1,  0, -1]])
    """
    known = moved < _OUTSIDE
    x0, y0, x1, y1 = window
    begin, end = moved.new_tensor([[y0, x0], [y1, x1]])[:, :, None, None]
    full = moved.new_tensor(size)[:, None, None]
    places = ((-1 - moved + 0.5 - begin) * full / (end - begin)).floor()
    inside = (known & (places >= 0) & (places < full)).all(0)
    return torch.where(inside, places, -1.0).long()
