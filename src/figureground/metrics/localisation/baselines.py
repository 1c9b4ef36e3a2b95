"""Maps that know nothing of the network: what every localisation table must be read against."""

__all__ = ["BASELINES", "brightness", "centre_box", "centre_gaussian", "whole_image"]

from collections.abc import Callable

import torch

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.shapes import Images, Maps


@checked
def centre_box(images: Images, area_fraction: float = 0.5) -> Maps:
    """1 inside a box in the middle that has the image's proportions, 0 outside.

    Args:
        images: Only their number and size count.
        area_fraction: Share of the image that the box covers, in (0, 1].

    Returns:
        Maps of the images' size, 0 or 1.

    Raises:
        OptionError: The share is out of range.

    Examples:
        >>> centre_box(torch.zeros(1, 3, 4, 4), 0.25).tolist()[0][1]
        [0.0, 1.0, 1.0, 0.0]
    """
    if not 0 < area_fraction <= 1:
        raise OptionError(f"area_fraction must lie in (0, 1], got {area_fraction}")
    number, _, height, width = images.shape
    side = area_fraction**0.5
    inside = [(_centred(length) * 2).abs() < side * length for length in (height, width)]
    one = (inside[0][:, None] & inside[1][None]).float()
    return one.to(images.device).expand(number, height, width).clone()


@checked
def whole_image(images: Images) -> Maps:
    """1 everywhere: the box is the image.

    Args:
        images: Only their number and size count.

    Returns:
        Maps of the images' size, all 1. They point nowhere: pointing refuses them.

    Examples:
        >>> whole_image(torch.zeros(1, 3, 1, 2)).tolist()
        [[[1.0, 1.0]]]
    """
    return images.new_ones(len(images), *images.shape[2:], dtype=torch.float32)


@checked
def centre_gaussian(images: Images, sigma_fraction: float = 0.25) -> Maps:
    """A bell in the middle, 1 at its peak.

    Args:
        images: Only their number and size count.
        sigma_fraction: Standard deviation as a share of the height (rows) and the width (columns). For
            boxes it does not matter much: a threshold sets the size.

    Returns:
        Maps of the images' size, in (0, 1].

    Raises:
        OptionError: The share is not positive.

    References:
        Choe et al. (2020). Evaluating Weakly Supervised Object Localization Methods Right. CVPR, section
        5.2 ("center baseline"), arXiv 2001.07437.

    Examples:
        >>> [round(v, 3) for v in centre_gaussian(torch.zeros(1, 1, 1, 3), 1 / 3)[0, 0].tolist()]
        [0.607, 1.0, 0.607]
    """
    if sigma_fraction <= 0:
        raise OptionError(f"sigma_fraction must be positive, got {sigma_fraction}")
    number, _, height, width = images.shape
    bells = [torch.exp(-0.5 * (_centred(n) / (n * sigma_fraction)) ** 2) for n in (height, width)]
    one = bells[0][:, None] * bells[1][None]
    one = (one / one.max()).float()
    return one.to(images.device).expand(number, height, width).clone()


@checked
def brightness(images: Images) -> Maps:
    """The image itself as a map: mean over the channels.

    Where this does well, the object is simply the bright thing, and the task says little of maps.

    Args:
        images: In [0, 1].

    Returns:
        Maps in [0, 1].

    Examples:
        >>> brightness(torch.tensor([[[[0.0, 1.0]], [[0.5, 1.0]]]])).tolist()
        [[[0.25, 1.0]]]
    """
    return images.float().mean(1)


BASELINES: dict[str, Callable[[Images], Maps]] = {
    "centre-box": centre_box,
    "whole-image": whole_image,
    "centre-gaussian": centre_gaussian,
    "brightness": brightness,
}


def _centred(length: int) -> torch.Tensor:
    """Distance of each pixel's centre from the middle, in pixels."""
    return torch.arange(length, dtype=torch.float64) + 0.5 - length / 2
