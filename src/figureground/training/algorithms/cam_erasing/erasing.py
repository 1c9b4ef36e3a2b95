"""Random erasing that looks where the object is: batch in, batch out, without a loop over images."""

__all__ = ["Erased", "draw_regions", "erase_regions"]

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Images, Maps
from figureground.training.algorithms.cam_erasing.cells import grid_mask, hide_and_seek
from figureground.training.algorithms.cam_erasing.fills import filled
from figureground.training.algorithms.cam_erasing.options import ErasingOptions
from figureground.training.algorithms.cam_erasing.positions import draw_corners, likely_positions
from figureground.training.algorithms.cam_erasing.shapes import draw_shapes


class Erased(NamedTuple):
    """Images after erasing.

    Attributes:
        images: ``(N, C, H, W)``.
        mask: ``(N, H, W)``, True where a pixel was erased.
    """

    images: Images
    mask: Bool[Tensor, "N H W"]


@checked
def erase_regions(
    images: Images,
    maps: Maps | None,
    options: ErasingOptions,
    *,
    generator: torch.Generator,
    mean: Float[Tensor, " c"] | None = None,
) -> Erased:
    """Erase a random part of each image, where the map says that the object is (or is not).

    All of it runs on the images' device, and nothing waits for that device. An image without a map takes one of
    zeros: under a constant map the law is that of plain random erasing.

    Args:
        images: ``(N, C, H, W)`` in [0, 1]; not changed.
        maps: ``(N, H, W)`` in [0, 1]; None will do where the region is ``uniform``.
        options: What, where and with what.
        generator: Where the numbers come from; on the images' device.
        mean: Colour ``(C,)`` for the fill ``mean``.

    Returns:
        The images and what was erased of them.

    Raises:
        OptionError: The region needs maps and there are none, or the fill needs a mean colour and there is none.
        ShapeError: Maps are of another number or size than the images.

    References:
        Zhong, Zheng, Kang, Li, Yang (2020). Random erasing data augmentation. AAAI, arXiv:1708.04896.
        Oh, Lee (2023). J. Korea Multimedia Society 26(10), 1231, doi 10.9717/kmms.2023.26.10.1231. *Differs:* only its
        abstract was at hand; every number here is our choice.

    Examples:
        >>> images = torch.ones(1, 1, 4, 4)
        >>> where = torch.zeros(1, 4, 4)
        >>> where[0, 0, 0] = 1
        >>> square = ErasingOptions(p=1.0, area=(0.25, 0.25), aspect=(1.0, 1.0), fill="zero")
        >>> erased = erase_regions(images, where, square, generator=torch.Generator())
        >>> erased.images[0, 0].tolist()[:2]
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    size = (images.shape[2], images.shape[3])
    if options.sampler == "erasing":
        regions = draw_regions(len(images), size, options, generator=generator, maps=maps)
        mask = _inside(regions, size)
    else:
        sampler = {"hide-and-seek": hide_and_seek, "grid-mask": grid_mask}[options.sampler]
        mask = sampler(len(images), size, options, generator=generator)
    return Erased(filled(images, mask, options.fill, generator=generator, mean=mean), mask)


def draw_regions(
    count: int,
    size: tuple[int, int],
    options: ErasingOptions,
    *,
    generator: torch.Generator,
    maps: Maps | None = None,
) -> Int[Tensor, "4 N"]:
    """The rectangle of each image; nothing is changed yet.

    Shapes are drawn first and do not look at the map: the law of the erased area is the same for every region.

    Args:
        count: N.
        size: Height and width of the images.
        options: Laws.
        generator: Where the numbers come from.
        maps: ``(N, H, W)`` in [0, 1]; None will do where the region is ``uniform``.

    Returns:
        Top, left, height and width, ``(4, N)`` int64; heights and widths are 0 where nothing is erased.

    Raises:
        OptionError: The region needs maps and there are none.
        ShapeError: Maps are of another number or size than the images.
    """
    shapes = draw_shapes(count, size, options, generator=generator)
    if options.region == "uniform":
        places = torch.rand(2, count, generator=generator, device=generator.device)
        free = torch.stack([side - shape for side, shape in zip(size, shapes, strict=True)]) + 1
        return torch.cat([(places * free).long(), shapes])
    if maps is None:
        raise OptionError(f"the region '{options.region}' needs maps; 'uniform' needs none")
    if maps.shape != (count, *size):
        raise ShapeError(
            f"{count} images of {size} need as many maps of their size, got {tuple(maps.shape)}"
        )
    allowed = likely_positions(maps, shapes, options)
    return torch.cat([draw_corners(allowed, generator=generator), shapes])


def _inside(regions: Tensor, size: tuple[int, int]) -> Tensor:
    """True inside each image's rectangle, ``(N, H, W)``."""
    corners, shapes = regions[:2, :, None], regions[2:, :, None]
    down, across = (
        (lines >= corner) & (lines < corner + shape)
        for lines, corner, shape in zip(
            [torch.arange(side, device=regions.device) for side in size],
            corners,
            shapes,
            strict=True,
        )
    )
    return down[:, :, None] & across[:, None, :]
