"""Maps painted over the photo, where they belong, or over what the network saw of it."""

__all__ = ["Canvas", "canvas_of", "painted", "painted_alone"]

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch.nn.functional import interpolate

from figureground.base.shapes import Images
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

    def reduced(self, longest: int) -> "Canvas":
        """The same, small.

        Args:
            longest: Pixels of its longest side.

        Returns:
            A canvas; this one where it is small already.
        """
        height, width = self.pixels.shape[-2:]
        factor = longest / max(height, width)
        if factor >= 1:
            return self
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        pixels = interpolate(self.pixels, size, mode="area")
        if self.window is None:
            return Canvas(pixels, None)
        wide, high = size[1] / width, size[0] / height
        x0, y0, x1, y1 = self.window
        return Canvas(pixels, (x0 * wide, y0 * high, x1 * wide, y1 * high))

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
        photo = image.decoded(value_range)
        factor = math.sqrt(_MOST_PIXELS / (photo.width * photo.height))
        if factor < 1:
            size = (max(1, int(photo.width * factor)), max(1, int(photo.height * factor)))
            photo = photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        pixels = torch.from_numpy(np.asarray(photo).copy()).movedim(-1, 0)[None].float().div_(255)
    width, height = image.view.original_size
    wide, high = photo.width / width, photo.height / height
    x0, y0, x1, y1 = image.view.window
    return Canvas(pixels, (x0 * wide, y0 * high, x1 * wide, y1 * high))


def painted(panel: Panel, canvas: Canvas, options: ExplainOptions) -> UInt8[np.ndarray, "H W 3"]:
    """The canvas with a map over it.

    Args:
        panel: The map.
        canvas: The photo or what the network saw of it.
        options: Colours.

    Returns:
        A picture of the size of the canvas.
    """
    if panel.largest is not None:
        maps, most = panel.maps[None], panel.largest
        return concept_panel(canvas.pixels, maps, window=canvas.window, largest=most)[0].numpy()
    return overlay(
        canvas.pixels,
        panel.maps,
        colour_map=options.colour_map,
        alpha=options.opacity,
        alpha_by_value=options.alpha_by_value,
        window=canvas.window,
        contour=options.contour,
    )[0].numpy()


def painted_alone(
    panel: Panel, canvas: Canvas, colour_map: str
) -> UInt8[np.ndarray, "H W 3"] | None:
    """A map without what is under it.

    Args:
        panel: The map.
        canvas: The photo or what the network saw of it.
        colour_map: Name of a colour map.

    Returns:
        A picture of the size of the canvas; None for concepts and for a map that shows nothing.
    """
    if panel.largest is not None or (panel.problem and panel.problem.hides):
        return None
    drawn = overlay(
        canvas.pixels, panel.maps, colour_map=colour_map, alpha=1.0, window=canvas.window
    )
    return drawn[0].numpy()
