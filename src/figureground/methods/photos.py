"""Photos as a classifier wants them, and how to get back to them."""

__all__ = ["Photos", "are_photos", "photos_for"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageOps
from torch import Tensor, nn

from figureground.base.errors import OptionError
from figureground.base.shapes import Images
from figureground.maps.window import Window


@dataclass(frozen=True)
class Photos:
    """Photos that were explained.

    Args:
        pixels: One ``(3, H, W)`` in [0, 1] for each photo, upright, at its own size.
        windows: Where the network's view lies in each: x0, y0, x1, y1 in its pixels.
    """

    pixels: tuple[Float[Tensor, "3 _ _"], ...]
    windows: tuple[Window, ...]


def are_photos(given: object) -> TypeGuard[Image.Image | Sequence[Image.Image]]:
    """Whether something is a photo as Pillow opens it, or several.

    Args:
        given: Anything.

    Returns:
        Whether it is.
    """
    if isinstance(given, Sequence):
        return len(given) > 0 and all(isinstance(one, Image.Image) for one in given)
    return isinstance(given, Image.Image)


def photos_for(
    model: nn.Module, photos: Image.Image | Sequence[Image.Image]
) -> tuple[Images, Photos]:
    """Photos as a model takes them.

    Args:
        model: A ``Classifier``, which knows its preprocessing.
        photos: Of any sizes; their EXIF orientation is applied.

    Returns:
        ``(N, C, H, W)`` in [0, 1], where the model is, and the photos.

    Raises:
        OptionError: The model does not say how it wants its images.
    """
    given = [photos] if isinstance(photos, Image.Image) else list(photos)
    preprocessing = getattr(model, "preprocessing", None)
    if preprocessing is None:
        raise OptionError(
            f"{type(model).__name__} does not say how it wants its images: give tensors (N, C, H, W), or "
            "wrap it: figureground.load_classifier(model, preprocessing={'size': 224, 'mean': ..., 'std': ...})"
        )
    upright = [ImageOps.exif_transpose(one).convert("RGB") for one in given]
    views = [preprocessing.view(one) for one in upright]
    where = next((one.device for one in model.parameters()), torch.device("cpu"))
    images = torch.stack([pixels for pixels, _ in views]).float().div_(255).to(where)
    pixels = [torch.from_numpy(np.array(one)).movedim(-1, 0).float().div_(255) for one in upright]
    return images, Photos(tuple(pixels), tuple(view.window for _, view in views))
