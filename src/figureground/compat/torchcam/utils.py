"""Its overlay."""

__all__ = ["overlay_mask"]

import numpy as np
import torch
from PIL import Image

from figureground.base.errors import OptionError
from figureground.maps import colour


def overlay_mask(
    img: Image.Image, mask: Image.Image, colormap: str = "jet", alpha: float = 0.7
) -> Image.Image:
    """A map in colours on its image.

    Args:
        img: Grey or RGB.
        mask: The map, ``mode="F"`` in [0, 1]; enlarged bicubically, and squared before it is coloured, as theirs.
        colormap: Name of a colour map.
        alpha: Share of the image, in [0, 1).

    Returns:
        RGB, of the image's size.

    Raises:
        OptionError: Alpha is out of range, or there is no such colour map.
    """
    if not 0 <= alpha < 1:
        raise OptionError(f"alpha must be in [0, 1), not {alpha}")
    sized = np.asarray(mask.resize(img.size, Image.Resampling.BICUBIC), np.float32)
    values = torch.from_numpy(sized.copy()) / (1 if mask.mode == "F" else 255)
    coloured = colour(values.square(), colormap).numpy()
    return Image.blend(Image.fromarray(coloured), img.convert("RGB"), alpha)
