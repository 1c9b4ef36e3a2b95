"""Its pictures."""

__all__ = ["deprocess_image", "preprocess_image", "scale_cam_image", "show_cam_on_image"]

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.maps import colour, normalise, resize

# numbers of OpenCV's colour maps that have one of ours
_COLOUR_MAPS = {2: "jet", 14: "inferno", 16: "viridis", 17: "cividis", 13: "magma"}
_JET = 2


def preprocess_image(
    img: np.ndarray,
    mean: Sequence[float] = (0.5, 0.5, 0.5),
    std: Sequence[float] = (0.5, 0.5, 0.5),
) -> Float[Tensor, "1 c h w"]:
    """An image as a network takes it.

    Args:
        img: ``(H, W, C)``, bytes, or floats in [0, 1].
        mean: Subtracted from each channel.
        std: By which each channel is divided.

    Returns:
        ``(1, C, H, W)`` float32.
    """
    pixels = torch.as_tensor(np.ascontiguousarray(img)).movedim(-1, 0)
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    means, stds = (torch.tensor(one, dtype=torch.float32)[:, None, None] for one in (mean, std))
    return ((pixels - means) / stds)[None]


def deprocess_image(img: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Values of any range as bytes: mean 127, standard deviation 25.

    Args:
        img: Any array.

    Returns:
        The same shape.
    """
    scaled = (img - img.mean()) / (img.std() + 1e-5) * 0.1 + 0.5
    return (scaled.clip(0, 1) * 255).astype(np.uint8)


def show_cam_on_image(
    img: np.ndarray,
    mask: np.ndarray,
    use_rgb: bool = False,
    colormap: int = _JET,
    image_weight: float = 0.5,
) -> UInt8[np.ndarray, "h w 3"]:
    """A map in colours on its image.

    Args:
        img: ``(H, W, 3)`` floats in [0, 1].
        mask: ``(H, W)`` in [0, 1].
        use_rgb: Whether the image is RGB; else the colours are BGR, as OpenCV writes files.
        colormap: Number of OpenCV's colour map: jet, magma, inferno, viridis or cividis.
        image_weight: Share of the image, in [0, 1].

    Returns:
        ``(H, W, 3)``, brightened so that the largest value is 255.

    Raises:
        OptionError: The image is not in [0, 1], the weight is not, or there is no such colour map.
    """
    if img.max() > 1:
        raise OptionError("the image must be floats in [0, 1]")
    if not 0 <= image_weight <= 1:
        raise OptionError(f"image_weight must be in [0, 1], not {image_weight}")
    if colormap not in _COLOUR_MAPS:
        raise OptionError(f"no colour map {colormap} here; known: {_COLOUR_MAPS}")
    coloured = colour(torch.as_tensor(mask, dtype=torch.float32), _COLOUR_MAPS[colormap]).numpy()
    coloured = coloured.astype(np.float32) / 255
    if not use_rgb:
        coloured = coloured[..., ::-1]
    mixed = (1 - image_weight) * coloured + image_weight * img
    return (255 * mixed / mixed.max()).astype(np.uint8)


def scale_cam_image(
    cam: np.ndarray, target_size: tuple[int, int] | None = None
) -> Float32[np.ndarray, "N H W"]:
    """Maps scaled to [0, 1], each by itself, and resized.

    Args:
        cam: ``(N, h, w)``.
        target_size: Width and height; None leaves the size.

    Returns:
        ``(N, H, W)``.
    """
    maps = normalise(torch.as_tensor(np.asarray(cam), dtype=torch.float32), on_blank="zeros")
    if target_size is not None:
        maps = resize(maps, (target_size[1], target_size[0]))
    return maps.numpy()
