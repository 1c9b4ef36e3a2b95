"""Test-time augmentations of an image, each with the way to bring its map back into place."""

__all__ = [
    "Augmentation",
    "crop_augmentation",
    "flip_augmentation",
    "identity_augmentation",
    "standard_augmentations",
]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.maps.post_processing import resize


@dataclass(frozen=True)
class Augmentation:
    """A change of the image, and the way back for its map.

    Args:
        name: For reports.
        change: Images ``(N, C, H, W)`` -> images of the same size.
        align: Maps of the changed images, at image size ``(N, H, W)`` -> maps laid over the
            originals; NaN outside of what the changed image shows.
    """

    name: str
    change: Callable[[Tensor], Tensor]
    align: Callable[[Tensor], Tensor]


@checked
def identity_augmentation() -> Augmentation:
    """The image as it is.

    Returns:
        The augmentation.
    """
    return Augmentation("same", torch.clone, torch.clone)


@checked
def flip_augmentation() -> Augmentation:
    """The image flipped left to right.

    Returns:
        The augmentation.
    """
    return Augmentation("flip", _flipped, _flipped)


@checked
def crop_augmentation(top: float, left: float, *, share: float = 0.875) -> Augmentation:
    """A window of the image, enlarged to full size.

    Args:
        top: Where the window sits: 0 at the top, 1 at the bottom.
        left: 0 at the left, 1 at the right.
        share: Side of the window over the side of the image, in (0, 1].

    Returns:
        The augmentation; its maps are NaN outside the window.

    Raises:
        OptionError: A number out of its range.

    Examples:
        >>> seen = crop_augmentation(1.0, 0.0, share=0.5).align(torch.ones(1, 4, 4))
        >>> seen.isnan().logical_not().int().tolist()
        [[[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]]
    """
    if not (0 <= top <= 1 and 0 <= left <= 1 and 0 < share <= 1):
        raise OptionError(f"top, left and share must be in [0, 1], not {top}, {left}, {share}")
    window = _Window(top, left, share)
    return Augmentation(f"crop {top:g} {left:g}", window.enlarged, window.put_back)


@checked
def standard_augmentations() -> tuple[Augmentation, ...]:
    """The image, its horizontal flip, and crops of the four corners.

    Returns:
        Six augmentations.
    """
    corners = [crop_augmentation(top, left) for top in (0.0, 1.0) for left in (0.0, 1.0)]
    return (identity_augmentation(), flip_augmentation(), *corners)


def _flipped(tensor: Tensor) -> Tensor:
    return tensor.flip(-1)


@dataclass(frozen=True)
class _Window:
    """A window of an image, in shares of its sides."""

    top: float
    left: float
    share: float

    def slices(self, like: Tensor) -> tuple[slice, slice]:
        """Rows and columns of the window in whole pixels."""
        height, width = like.shape[-2:]
        rows, columns = max(1, round(self.share * height)), max(1, round(self.share * width))
        first_row = round(self.top * (height - rows))
        first_column = round(self.left * (width - columns))
        return slice(first_row, first_row + rows), slice(first_column, first_column + columns)

    def enlarged(self, images: Tensor) -> Tensor:
        """The window at the size of the image."""
        rows, columns = self.slices(images)
        size = (images.shape[-2], images.shape[-1])
        return interpolate(images[..., rows, columns], size, mode="bilinear", antialias=True)

    def put_back(self, maps: Tensor) -> Tensor:
        """The map at its place in the image, NaN around it."""
        rows, columns = self.slices(maps)
        canvas = torch.full_like(maps, torch.nan)
        inside = (rows.stop - rows.start, columns.stop - columns.start)
        canvas[..., rows, columns] = resize(maps, inside)
        return canvas
