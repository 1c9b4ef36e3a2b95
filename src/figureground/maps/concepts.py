"""Concept maps as one image: each position in the colour of its strongest concept."""

__all__ = ["concept_colours", "concept_panel"]

import colorsys

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from figureground.base.shapes import Images, MapsPerClass
from figureground.maps.overlay import dim_unseen
from figureground.maps.post_processing import resize
from figureground.maps.window import Window, place

_IMAGE_SHARE = 0.35


def concept_colours(count: int) -> list[str]:
    """One colour per concept, evenly round the colour circle, as ``#rrggbb``.

    Args:
        count: How many.

    Returns:
        The colours.

    Examples:
        >>> concept_colours(2)
        ['#ff3333', '#33ffff']
    """
    triples = [colorsys.hsv_to_rgb(k / count, 0.8, 1.0) for k in range(count)]
    return ["#" + "".join(f"{round(255 * value):02x}" for value in triple) for triple in triples]


def concept_panel(
    images: Images,
    maps: MapsPerClass,
    *,
    window: Window | None = None,
    largest: Float[Tensor, " k"] | None = None,
) -> UInt8[Tensor, "N H W 3"]:
    """Each position in the colour of its strongest concept, as bright as that concept is there.

    Every concept is scaled by its largest value, so brightness can be compared between images.

    Args:
        images: ``(N, 3, H, W)`` or ``(N, 1, H, W)`` in [0, 1].
        maps: ``(N, k, h, w)``, not negative.
        window: Where the maps lie in the images, as for ``overlay``.
        largest: ``(k,)``, what each concept is scaled by; None for its largest value in these maps.

    Returns:
        ``(N, H, W, 3)``.
    """
    most = maps.amax((0, 2, 3)) if largest is None else largest.to(maps)
    size = (int(images.shape[-2]), int(images.shape[-1]))
    scaled = maps / most.clamp_min(torch.finfo(maps.dtype).tiny)[:, None, None]
    large = resize(scaled, size) if window is None else place(scaled, window, size)
    value, index = large.max(1)
    table = torch.tensor(
        [
            [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
            for colour in concept_colours(maps.shape[1])
        ],
        dtype=torch.float32,
        device=maps.device,
    )
    colour = table[index] * value[..., None]
    grey = images.mean(1)[..., None] * 255
    mixed = _IMAGE_SHARE * grey + (1 - _IMAGE_SHARE) * colour
    drawn = mixed.round().clamp(0, 255).to(torch.uint8)
    return drawn if window is None else dim_unseen(drawn, images, window)
