"""Image files: PNG, thumbnails, enlargement, safe names."""

__all__ = ["enlarged", "file_stem", "page_picture", "png_bytes", "thumbnail"]

import base64
import io
import re
from pathlib import PurePath

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from figureground.base.identity import path_identity
from figureground.base.places import Member, Place

_STEM_BYTES = 80  # of the 255 that a file name may have


def png_bytes(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """A picture as a PNG file.

    Args:
        picture: Red, green, blue.

    Returns:
        The bytes; compressed lightly, since compressing well takes most of a job's time.
    """
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def thumbnail(picture: UInt8[np.ndarray, "H W 3"], longest: int) -> str:
    """A small copy that a page can hold.

    Args:
        picture: Red, green, blue.
        longest: Its longest side, pixels; smaller pictures keep their size.

    Returns:
        A ``data:`` address of a JPEG.
    """
    small = Image.fromarray(picture)
    small.thumbnail((longest, longest), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def page_picture(picture: UInt8[np.ndarray, "H W 3"], longest: int) -> str:
    """A copy that a page can hold; a small one keeps every pixel as it is.

    Args:
        picture: Red, green, blue.
        longest: Pixels of its longest side.

    Returns:
        A ``data:`` address.
    """
    if max(picture.shape[:2]) > longest // 2:
        return thumbnail(picture, longest)
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture)).decode()


def enlarged(images: Tensor, least: int) -> Tensor:
    """Small pictures with every pixel made a square, so that their shorter side is at least about ``least``.

    Args:
        images: ``(..., H, W)``.
        least: Pixels.

    Returns:
        ``(..., f·H, f·W)``, f a whole number; the same tensor where f is 1.

    Examples:
        >>> import torch
        >>> enlarged(torch.tensor([[1, 2]]), 2).tolist()
        [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    factor = max(1, round(least / min(images.shape[-2:])))
    if factor == 1:
        return images
    return images.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


def file_stem(place: Place) -> str:
    """How the names of a photo's files begin: safe, readable and different for every photo.

    Args:
        place: The photo.

    Returns:
        What can be kept of its name, and where it is in short.

    Examples:
        >>> from pathlib import Path
        >>> file_stem(Path("/photos/my cat <3.jpg"))
        'my_cat_3-5f554097b3c5'
    """
    name = PurePath(place.name) if isinstance(place, Member) else place
    safe = re.sub(r"[^\w\-]+", "_", name.stem.encode("utf-8", "replace").decode())
    kept = safe.encode()[:_STEM_BYTES].decode("utf-8", "ignore")
    return f"{kept}-{path_identity(place)}"
