"""Random crops and horizontal flips, drawn for each image and applied to the whole batch at once."""

__all__ = ["CropParameters", "apply_crops", "draw_crops"]

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class CropParameters:
    """Where each image of a batch was cropped from its padded original, and whether it was then flipped.

    Args:
        top: ``(N,)`` int64, first row of the crop in the original padded by ``padding``.
        left: ``(N,)`` int64, first column.
        flipped: ``(N,)`` bool.
        padding: Pixels added on every side of the original.
    """

    top: Tensor
    left: Tensor
    flipped: Tensor
    padding: int

    def subset(self, which: slice) -> "CropParameters":
        """Those of some of the images.

        Args:
            which: Positions in the batch.

        Returns:
            The parameters of these images.
        """
        return CropParameters(self.top[which], self.left[which], self.flipped[which], self.padding)

    def to(self, device: torch.device) -> "CropParameters":
        """The same parameters on a device.

        Args:
            device: The device.

        Returns:
            The parameters there.
        """
        top, left, flipped = (
            tensor.to(device, non_blocking=True) for tensor in (self.top, self.left, self.flipped)
        )
        return CropParameters(top, left, flipped, self.padding)

    def apply(self, images: Tensor) -> Tensor:
        """Images cropped and flipped as drawn; see ``apply_crops``.

        Args:
            images: ``(N, C, H, W)`` of any type.

        Returns:
            ``(N, C, H, W)``.
        """
        return apply_crops(images, self)

    def joined(self, other: "CropParameters") -> "CropParameters":
        """Those of two batches.

        Args:
            other: What comes after, with the same padding.

        Returns:
            The joined parameters.
        """
        return CropParameters(
            torch.cat([self.top, other.top]),
            torch.cat([self.left, other.left]),
            torch.cat([self.flipped, other.flipped]),
            self.padding,
        )


def draw_crops(
    count: int, *, padding: int, flip: bool, generator: torch.Generator
) -> CropParameters:
    """A random crop of the padded image, and whether it is flipped, for each of ``count`` images.

    Args:
        count: N.
        padding: Pixels added on every side; crops start anywhere from 0 to ``2 · padding``.
        flip: Whether half of the images are flipped.
        generator: Source of the random numbers.

    Returns:
        The parameters, on the generator's device.
    """
    device = generator.device
    offsets = torch.randint(0, 2 * padding + 1, (2, count), generator=generator, device=device)
    coins = torch.rand(count, generator=generator, device=device) < (0.5 if flip else 0.0)
    return CropParameters(offsets[0], offsets[1], coins, padding)


def apply_crops(images: Tensor, crops: CropParameters) -> Tensor:
    """Crop and flip each image as drawn; pixels from outside the image are zero.

    Args:
        images: ``(N, C, H, W)`` of any type.
        crops: One crop for each image.

    Returns:
        ``(N, C, H, W)``.

    Examples:
        >>> image = torch.arange(4.0).reshape(1, 1, 2, 2)
        >>> one = torch.tensor([1])
        >>> apply_crops(image, CropParameters(one, one, torch.tensor([True]), 1)).tolist()
        [[[[1.0, 0.0], [3.0, 2.0]]]]
    """
    n, channels, h, w = images.shape
    padded = F.pad(images, [crops.padding] * 4)
    device = images.device
    columns = torch.arange(w, device=device).expand(n, w)
    columns = torch.where(crops.flipped.to(device)[:, None], columns.flip(1), columns)
    rows = torch.arange(h, device=device) + crops.top.to(device)[:, None]
    columns = columns + crops.left.to(device)[:, None]
    image = torch.arange(n, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[None, :, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
