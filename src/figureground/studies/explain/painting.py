"""Maps painted over the photo, where they belong, or over what the network saw of it."""

__all__ = ["Canvas", "canvas_of", "painted"]

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from figureground.base.shapes import Images
from figureground.data import decode_image
from figureground.data.holding import until_used
from figureground.maps import overlay
from figureground.maps.concepts import concept_panel
from figureground.maps.image_files import enlarged
from figureground.maps.window import Window
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.explain.panels import Panel
from figureground.studies.loading import LoadedImage

_MOST_PIXELS = 2**22
_LEAST = 160  # pixels of the shorter side of what a network saw, which is often small


@dataclass(frozen=True)
class Canvas:
    """What is painted on.

    Args:
        pixels: ``(1, C, H, W)`` in [0, 1].
        window: Where the maps lie in it; None for all of it.
    """

    pixels: Images
    window: Window | None

    @property
    def picture(self) -> UInt8[np.ndarray, "H W 3"]:
        """It as it is, with nothing painted on it."""
        colour = self.pixels[0].expand(3, -1, -1).mul(255).round().to(torch.uint8)
        return colour.permute(1, 2, 0).contiguous().numpy()


def canvas_of(image: LoadedImage, options: ExplainOptions, value_range: str) -> Canvas:
    """The photo, upright and at its own size, or the part of it that the network saw.

    The photo is decoded again: held from its first decoding until its maps are there, photos would fill the memory.

    Args:
        image: The image.
        options: ``overlay`` says which of the two.
        value_range: How numbers of more than 8 bits are read.

    Returns:
        The canvas; of a photo of more than four megapixels one of four.

    Raises:
        ImageError: The file cannot be decoded any more.
    """
    if options.overlay == "network":
        return Canvas(enlarged(image.pixels, _LEAST)[None].float().div_(255), None)
    with until_used():
        photo = decode_image(image.path, value_range)
        factor = math.sqrt(_MOST_PIXELS / (photo.width * photo.height))
        if factor < 1:
            size = (max(1, int(photo.width * factor)), max(1, int(photo.height * factor)))
            photo = photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        pixels = torch.from_numpy(np.asarray(photo).copy()).movedim(-1, 0)[None].float().div_(255)
    width, height = image.view.original_size
    wide, high = photo.width / width, photo.height / height
    x0, y0, x1, y1 = image.view.window
    return Canvas(pixels, (x0 * wide, y0 * high, x1 * wide, y1 * high))


def painted(
    panel: Panel, canvas: Canvas, options: ExplainOptions
) -> tuple[UInt8[np.ndarray, "H W 3"], UInt8[np.ndarray, "H W 3"] | None]:
    """The canvas with a map over it, and the map alone.

    Args:
        panel: The map.
        canvas: The photo or what the network saw of it.
        options: Colours.

    Returns:
        Two pictures of the size of the canvas; None in place of the second for concepts.
    """
    if panel.largest is not None:
        drawn = concept_panel(
            canvas.pixels, panel.maps[None], window=canvas.window, largest=panel.largest
        )
        return drawn[0].numpy(), None

    def over(opacity: float, contour: float | None) -> np.ndarray:
        return overlay(
            canvas.pixels,
            panel.maps,
            colour_map=options.colour_map,
            alpha=opacity,
            alpha_by_value=options.alpha_by_value and opacity < 1,
            window=canvas.window,
            contour=contour,
        )[0].numpy()

    return over(options.opacity, options.contour), over(1.0, None)
