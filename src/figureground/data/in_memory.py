"""Images of one size, decoded once and kept as bytes."""

__all__ = ["in_memory"]

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from figureground.base.errors import DataError, ImageError, unknown_option
from figureground.base.value_range import FULL
from figureground.data.holding import until_used
from figureground.data.labeled import FileDecoder, LabeledImages

_FITS = ("crop", "stretch")


def in_memory(
    data: LabeledImages,
    size: tuple[int, int],
    *,
    fit: str = "crop",
    value_range: str = FULL,
    workers: int = 4,
) -> LabeledImages:
    """The same images, all of one size, as one tensor of bytes; boxes follow.

    Memory: 3 bytes per pixel. An image that cannot be decoded is left out; ``left_out`` says
    which and why, and ``noticed`` what was odd about others.

    Args:
        data: Any images.
        size: Height and width in pixels.
        fit: ``crop`` scales until both sides are covered and cuts the middle; ``stretch`` does not
            keep the shape of things.
        value_range: As for `decode_image`, of images in files of their own.
        workers: Threads that decode.

    Returns:
        The images in memory, bilinearly resized with antialiasing where the size differs.

    Raises:
        DataError: None of them can be decoded.
        OptionError: ``fit`` is neither.

    Examples:
        >>> pixels = torch.arange(8, dtype=torch.uint8).reshape(1, 1, 2, 4)
        >>> data = LabeledImages(pixels, torch.tensor([0]), ("ramp",))
        >>> in_memory(data, (2, 2)).images
        tensor([[[[1, 2],
                  [5, 6]]]], dtype=torch.uint8)
    """
    _check_fit(fit)
    if isinstance(data.images, Tensor) and tuple(data.images.shape[2:]) == size:
        return data
    decode = FileDecoder(value_range)
    kept: list[int] = []
    left_out: list[str] = []
    boxes: list[Tensor] = []
    images: Tensor | None = None
    for row, result in _decoded(data.decoded_by(decode), size, fit=fit, workers=workers):
        if isinstance(result, ImageError):
            left_out.append(str(result))
            continue
        pixels, window = result
        if images is None:
            images = torch.empty(len(data), *pixels.shape, dtype=torch.uint8)
        images[len(kept)] = pixels
        if data.boxes is not None:
            boxes.append(_moved(data.boxes[row], window, size))
        kept.append(row)
    if images is None:
        raise DataError(f"none of {len(data)} images can be used; " + "; ".join(left_out[:3]))
    rows = torch.tensor(kept)
    return replace(
        data,
        images=images[: len(kept)],
        labels=data.labels[rows],
        boxes=None if data.boxes is None else tuple(boxes),
        groups=None if data.groups is None else data.groups[rows],
        contexts=None if data.contexts is None else data.contexts[rows],
        left_out=(*data.left_out, *left_out),
        noticed=(*data.noticed, *decode.noticed),
    )


def _check_fit(fit: str) -> None:
    if fit not in _FITS:
        raise unknown_option("fit", fit, _FITS)


def _decoded(
    data: LabeledImages, size: tuple[int, int], *, fit: str, workers: int
) -> Iterator[tuple[int, tuple[Tensor, Tensor] | ImageError]]:
    """Row, and pixels with the window they show or why there are none; a few hundred at a time."""

    def one(row: int) -> tuple[Tensor, Tensor] | ImageError:
        try:
            with until_used():
                return _fitted(data.image(row), size, fit=fit)
        except ImageError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(data), 256):
            rows = range(start, min(start + 256, len(data)))
            yield from zip(rows, pool.map(one, rows), strict=True)


def _fitted(image: Image.Image, size: tuple[int, int], *, fit: str) -> tuple[Tensor, Tensor]:
    """Pixels (c, h, w) and the window x0, y0, x1, y1 of the image that they show."""
    height, width = size
    window = (0.0, 0.0, float(image.width), float(image.height))
    if fit == "crop":
        scale = min(image.width / width, image.height / height)
        left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
        window = (left, top, left + scale * width, top + scale * height)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR, box=window)
    array = np.array(image)
    pixels = torch.from_numpy(array.reshape(height, width, -1)).permute(2, 0, 1)
    return pixels, torch.tensor(window)


def _moved(boxes: Tensor, window: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes in pixels of the fitted image, cut to it; those outside are left out."""
    full = torch.tensor([size[1], size[0]] * 2, dtype=torch.float32)
    sides = (window[2:] - window[:2]).repeat(2)
    moved = (boxes - window[:2].repeat(2)) * full / sides
    moved = moved.clamp(min=0).minimum(full)
    return moved[(moved[:, 2:] > moved[:, :2]).all(dim=1)]
