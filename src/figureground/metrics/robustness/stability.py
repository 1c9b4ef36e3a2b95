"""What an attack did to the images and to the maps."""

__all__ = [
    "MapStability",
    "map_stability",
    "relative_perturbation",
]

from dataclasses import dataclass

import torch

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Images, Maps
from figureground.metrics.faithfulness.scoring import PerImage
from figureground.metrics.faithfulness.similarity import pearson, spearman, ssim


@dataclass(frozen=True)
class MapStability:
    """How alike the clean and the attacked map of each image are; 1 is unmoved, NaN is blank.

    Args:
        pearson: ``(N,)``.
        spearman: ``(N,)``.
        ssim: ``(N,)``.
    """

    pearson: PerImage
    spearman: PerImage
    ssim: PerImage


@checked
def relative_perturbation(images: Images, attacked: Images) -> PerImage:
    """Length of the change over the length of the image, both L2 over all pixels.

    Args:
        images: ``(N, C, H, W)``.
        attacked: The same shape.

    Returns:
        ``(N,)``, 0 for no change; NaN for a black image. The mean over images is the paper's
        robustness.

    Raises:
        ShapeError: The shapes differ.

    References:
        Moosavi-Dezfooli et al. (2016), DeepFool, eq. 15, arXiv:1511.04599.

    Examples:
        >>> image = torch.tensor([[[[3.0, 4.0]]]])
        >>> relative_perturbation(image, image + torch.tensor([1.0, 0.0])).tolist()
        [0.20000000298023224]
    """
    if images.shape != attacked.shape:
        raise ShapeError(f"attacked {tuple(attacked.shape)} are not {tuple(images.shape)}")
    length = images.flatten(1).norm(dim=1)
    change = (attacked - images).flatten(1).norm(dim=1)
    return torch.where(length > 0, change / length, torch.nan)


@checked
def map_stability(clean_maps: Maps, attacked_maps: Maps) -> MapStability:
    """Three similarities of the maps before and after.

    Which class the attacked maps explain is the caller's choice and must be reported: for the new
    prediction the maps of a class-specific method *should* differ.

    Args:
        clean_maps: ``(N, h, w)``, both sides at least 3.
        attacked_maps: The same shape.

    Returns:
        One row per image.
    """
    return MapStability(
        pearson(clean_maps, attacked_maps),
        spearman(clean_maps, attacked_maps),
        ssim(clean_maps, attacked_maps),
    )
