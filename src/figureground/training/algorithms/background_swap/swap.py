"""Foregrounds of a training set on its own backgrounds: a plain object for any loop."""

__all__ = ["BackgroundSwap"]

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias
from zlib import crc32

import torch
from jaxtyping import Bool, Int, Real, UInt8
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.data.streamed import StreamedImages
from figureground.metrics.reliance.composites import (
    background_of,
    dilated,
    filled_boxes,
    nested_masks,
)

Masks: TypeAlias = Tensor | Sequence[Tensor]
_AT_ONCE = 256
_MARGIN = 0.02
_MASKS = ("inner", "given", "outer")


class BackgroundSwap:
    """The images of a training set, cut into foregrounds and backgrounds once.

    Args:
        images: ``(M, C, H, W)``; or streamed.
        masks: ``(M, H, W)``, True on the object; or for each image its boxes, xyxy pixels, half-open. An image without
            an object keeps its background and lends none. Where an image occurs more than once, with objects of
            several classes, each of its backgrounds is without all of them.
        mask: ``inner`` cuts tighter than annotated: boxes refined by colour, masks eroded; ``given`` as annotated;
            ``outer`` wider. What a network can read of the background inside the mask, it will read.
        fill: How the holes of backgrounds are filled, as for ``background_of``.
        folder: Where foregrounds and backgrounds are kept, as large as all images; in memory where omitted.

    Attributes:
        foregrounds: ``(M, H, W)``, what is cut out.
        backgrounds: ``(M, C, H, W)`` bytes, without the objects.
        usable: ``(M,)``, images with an object and some background.

    Raises:
        OptionError: There is no such mask or fill, or no image has an object.
        ShapeError: The numbers of images differ.

    References:
        Xiao, Engstrom, Ilyas, Madry (2021). Noise or Signal: The Role of Image Backgrounds in Object Recognition.
        ICLR, arXiv 2006.09994 (training on Mixed-Rand).

    Examples:
        >>> pixels = torch.tensor([10, 200], dtype=torch.uint8)[:, None, None, None].expand(
        ...     2, 3, 8, 8
        ... )
        >>> boxes = [torch.tensor([[2.0, 2, 6, 6]])] * 2
        >>> swap = BackgroundSwap(pixels, boxes, mask="given")
        >>> swapped = swap(torch.tensor([0]), torch.tensor([1]))
        >>> swapped[0, 0, 0, 0].item(), swapped[0, 0, 4, 4].item()
        (200, 10)
    """

    def __init__(
        self,
        images: UInt8[Tensor, "M C H W"] | StreamedImages,
        masks: Bool[Tensor, "M H W"] | Sequence[Real[Tensor, "_ 4"]],
        *,
        mask: str = "inner",
        fill: str = "impute",
        folder: Path | None = None,
    ) -> None:
        if mask not in _MASKS:
            raise OptionError(f"no mask '{mask}'; there are {', '.join(_MASKS)}")
        if len(masks) != len(images):
            raise ShapeError(f"{len(masks)} masks or lists of boxes for {len(images)} images")
        exact = isinstance(masks, Tensor)
        together = _of_all_copies(images, masks)
        shape = tuple(images.shape)
        self.usable = torch.zeros(len(images), dtype=torch.bool)
        files = [folder and folder / name for name in ("foregrounds.bin", "backgrounds.bin")]
        self.foregrounds = _room(files[0], (shape[0], *shape[2:]), torch.bool)
        self.backgrounds = _room(files[1], shape, torch.uint8)
        margin = max(1, round(_MARGIN * min(shape[2:]))) if exact else 0
        for start in range(0, len(images), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            some = images[rows].cpu().float() / 255
            given, objects = (_filled(held[rows], shape[2:]) for held in (masks, together))
            which = torch.full((len(some),), exact)
            cut = getattr(nested_masks(some, given, exact=which), mask)
            removed = cut | objects
            filled = background_of(some, dilated(removed, margin), fill=fill)
            self.usable[rows] = given.flatten(1).any(1) & ~objects.flatten(1).all(1)
            self.foregrounds[rows] = cut
            self.backgrounds[rows] = (filled * 255).round().to(torch.uint8)
        if not self.usable.any():
            raise OptionError(
                "no image has both an object and a background: swapping needs boxes or masks"
            )
        self._images = images
        self._donors = self.usable.nonzero().flatten()

    def to(self, device: torch.device) -> "BackgroundSwap":
        """Everything on a device.

        Args:
            device: The device.

        Returns:
            This object.
        """
        if device.type != "cpu":
            for name in ("foregrounds", "backgrounds", "usable", "_images", "_donors"):
                setattr(self, name, getattr(self, name).to(device))
        return self

    def images(self, rows: Int[Tensor, " N"]) -> UInt8[Tensor, "N C H W"]:
        """Images as they are.

        Args:
            rows: Which.

        Returns:
            Their pixels.
        """
        return self._images[rows]

    def donors(self, count: int, generator: torch.Generator) -> Int[Tensor, " count"]:
        """Random images that lend their background.

        Args:
            count: How many.
            generator: On the CPU.

        Returns:
            Their numbers, any usable image with equal probability.
        """
        drawn = torch.randint(len(self._donors), (count,), generator=generator)
        return self._donors[drawn.to(self._donors.device)]

    def __call__(
        self, rows: Int[Tensor, " N"], donors: Int[Tensor, " N"]
    ) -> UInt8[Tensor, "N C H W"]:
        """Images on other backgrounds.

        Args:
            rows: Which images.
            donors: Whose backgrounds.

        Returns:
            Whole images, before any crop or flip; one that is not usable as it is.
        """
        return torch.where(self._front(rows), self._images[rows], self.backgrounds[donors])

    def painted(
        self, rows: Int[Tensor, " N"], colours: UInt8[Tensor, "N C"]
    ) -> UInt8[Tensor, "N C H W"]:
        """Images on backgrounds of one colour.

        Args:
            rows: Which images.
            colours: Of the background of each.

        Returns:
            Whole images, before any crop or flip; one that is not usable as it is.
        """
        return torch.where(self._front(rows), self._images[rows], colours[:, :, None, None])

    def _front(self, rows: Tensor) -> Tensor:
        """What of an image stays, ``(N, 1, H, W)``."""
        return (self.foregrounds[rows] | ~self.usable[rows][:, None, None])[:, None]


def _of_all_copies(images: Tensor | StreamedImages, masks: Masks) -> Masks:
    """Masks, or boxes, of all objects of each image: those of images with equal pixels together."""
    rows: dict[int, list[int]] = {}
    for start in range(0, len(images), _AT_ONCE):
        for row, image in enumerate(images[start : start + _AT_ONCE].cpu(), start):
            rows.setdefault(crc32(image.contiguous().numpy().data), []).append(row)
    copies = [same for same in rows.values() if len(same) > 1]
    if isinstance(masks, Tensor):
        found = masks.clone()
        for same in copies:
            found[same] = masks[same].any(0)
        return found
    boxes = list(masks)
    for same in copies:
        joined = torch.cat([masks[row].reshape(-1, 4) for row in same])
        for row in same:
            boxes[row] = joined
    return boxes


def _filled(masks: Masks, size: Sequence[int]) -> Tensor:
    return masks if isinstance(masks, Tensor) else filled_boxes(masks, size)


def _room(file: Path | None, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Zeros in memory; or in a file, of which the system keeps in memory what is in use."""
    if file is None:
        return torch.zeros(shape, dtype=dtype)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    return torch.from_file(str(file), shared=True, size=math.prod(shape), dtype=dtype).view(shape)
