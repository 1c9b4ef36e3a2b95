"""Sensitivity: how far a map moves when the image hardly does."""

__all__ = ["MapSensitivity", "map_sensitivity"]

from dataclasses import dataclass

import torch

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.base.shapes import Images, Labels, Maps
from figureground.metrics.faithfulness.relevance import is_blank, on_pixels
from figureground.metrics.faithfulness.scoring import Explain, PerImage


@dataclass(frozen=True)
class MapSensitivity:
    """Length of a map's change over the length of the map, L2; lower is steadier, NaN where the map is blank.

    Args:
        largest: ``(N,)``, the largest over the samples: max-sensitivity.
        average: ``(N,)``, their mean: average-sensitivity.
    """

    largest: PerImage
    average: PerImage


@checked
def map_sensitivity(
    explain: Explain,
    images: Images,
    maps: Maps,
    *,
    classes: Labels,
    radius: float = 0.02,
    samples: int = 10,
    seed: int = 0,
) -> MapSensitivity:
    """How far the map moves under noise that hardly changes the image.

    Each sample adds to every pixel a number drawn evenly from [-radius, radius]. The noise is the same for every image
    and map.

    Args:
        explain: Makes the maps; of the same method as ``maps``.
        images: ``(N, C, H, W)`` in [0, 1].
        maps: ``(N, h, w)``, raw, as ``explain`` makes them; all are compared at image size.
        classes: ``(N,)``, the classes that ``maps`` explain; kept, whatever the changed image is taken for.
        radius: Largest change of a pixel value.
        samples: Changed images for each image; at least one.
        seed: Of the noise.

    Returns:
        Both numbers.

    Raises:
        OptionError: ``radius`` is negative, or there is no sample.

    References:
        Yeh et al. (2019), On the (in)fidelity and sensitivity of explanations, NeurIPS, arXiv:1901.09392, over the
        length of the map as captum's ``sensitivity_max``; Bhatt et al. (2020), IJCAI, arXiv:2005.00631,
        for the average. *Differs:* changed images are cut to [0, 1].

    Examples:
        >>> images = torch.full((1, 1, 2, 2), 0.5)
        >>> steady = map_sensitivity(
        ...     lambda x, _: x[:, 0] * 0 + torch.eye(2),
        ...     images,
        ...     torch.eye(2)[None],
        ...     classes=torch.tensor([0]),
        ... )
        >>> steady.largest.tolist(), steady.average.tolist()
        ([0.0], [0.0])
    """
    if radius < 0 or samples < 1:
        raise OptionError(
            f"sensitivity needs a radius of 0 or more and a sample, not {radius}, {samples}"
        )
    source, changes = generator(seed), []
    clean = on_pixels(maps, images)
    length = clean.flatten(1).norm(dim=1)
    for _ in range(samples):
        noise = (2 * torch.rand(images.shape[1:], generator=source) - 1).to(images)
        moved = explain((images + radius * noise).clamp(0, 1), classes)
        change = (on_pixels(moved, images) - clean).flatten(1).norm(dim=1) / length
        usable = moved.isfinite().flatten(1).all(1).to(change.device)
        changes.append(torch.where(usable, change, torch.nan))
    stacked = torch.stack(changes).masked_fill(is_blank(maps).to(clean.device), torch.nan)
    return MapSensitivity(stacked.amax(0), stacked.mean(0))
