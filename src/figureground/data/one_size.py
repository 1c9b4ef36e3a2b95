"""Images of one size: decoded once and kept as bytes, or decoded each time they are asked for."""

__all__ = ["fits_already", "in_memory", "much_memory", "streamed"]

import math
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from figureground.base.errors import DataError, ImageError
from figureground.base.value_range import FULL
from figureground.data.decoding import full_size, image_size
from figureground.data.fitting import Covering, Fit, moved_boxes
from figureground.data.holding import until_used
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import FileDecoder, LazyImages
from figureground.data.streamed import StreamedImages

_THREADS = 4


def in_memory(
    data: LabeledImages,
    fit: Fit | tuple[int, int],
    *,
    value_range: str = FULL,
    workers: int = _THREADS,
) -> LabeledImages:
    """The same images, all of one size, as one tensor of bytes; boxes follow.

    Memory: 3 bytes per pixel; where that is more than a quarter of the machine's, they lie in a temporary file, of
    which the system keeps in memory what is in use. An image that cannot be decoded is left out; ``left_out`` says
    which and why, and ``noticed`` what was odd about others. JPEG files that are much larger than needed are decoded
    smaller.

    Args:
        data: Any images.
        fit: How they come to one size: a network's preprocessing, or height and width in pixels, for ``Covering``.
        value_range: As for `decode_image`, of images in files of their own.
        workers: Threads that decode.

    Returns:
        The images in memory.

    Raises:
        DataError: None of them can be decoded.

    Examples:
        >>> pixels = torch.arange(8, dtype=torch.uint8).reshape(1, 1, 2, 4)
        >>> data = LabeledImages(pixels, torch.tensor([0]), ("ramp",))
        >>> in_memory(data, (2, 2)).images
        tensor([[[[1, 2],
                  [5, 6]]]], dtype=torch.uint8)
    """
    way: Fit = Covering(fit) if isinstance(fit, tuple) else fit
    if isinstance(data.images, Tensor) and fits_already(data.images, way):
        return data
    decode = FileDecoder(value_range, enough=way.resized_size)
    kept: list[int] = []
    left_out: list[str] = []
    boxes: list[Tensor] = []
    images: Tensor | None = None
    for row, result in _decoded(data.decoded_by(decode), way, workers=workers):
        if isinstance(result, ImageError):
            left_out.append(str(result))
            continue
        pixels, original = result
        if images is None:
            images = _room((len(data), *pixels.shape))
        images[len(kept)] = pixels
        if data.boxes is not None:
            boxes.append(moved_boxes(data.boxes[row], way.window_of(original), way.size))
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


def much_memory() -> int:
    """Bytes that images should not exceed: a quarter of the machine's memory; 2 GiB where the system does not tell."""
    if not hasattr(os, "sysconf"):
        return 2**31
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def _room(shape: tuple[int, ...]) -> Tensor:
    """Bytes, not yet filled."""
    if math.prod(shape) <= much_memory():
        return torch.empty(shape, dtype=torch.uint8)
    with tempfile.NamedTemporaryFile(
        prefix="figureground-"
    ) as file:  # gone with the last that uses it
        return torch.from_file(
            file.name, shared=True, size=math.prod(shape), dtype=torch.uint8
        ).view(shape)


def fits_already(images: Tensor, fit: Fit) -> bool:
    """Whether images come out as they are.

    Args:
        images: ``(N, C, H, W)``.
        fit: How they would come to one size.

    Returns:
        Whether it changes nothing.
    """
    height, width = images.shape[2:]
    same = fit.channels is None or fit.channels == images.shape[1]
    return (
        same
        and tuple(fit.size) == (height, width)
        and fit.resized_size((width, height)) == (width, height)
    )


def _decoded(
    data: LabeledImages, fit: Fit, *, workers: int
) -> Iterator[tuple[int, tuple[Tensor, tuple[int, int]] | ImageError]]:
    """Row, and pixels with the size of the image or why there are none; a few hundred at a time."""

    def one(row: int) -> tuple[Tensor, tuple[int, int]] | ImageError:
        try:
            with until_used():
                image = data.image(row)
                return fit.pixels(image), full_size(image)
        except ImageError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(data), 256):
            rows = range(start, min(start + 256, len(data)))
            yield from zip(rows, pool.map(one, rows), strict=True)


def streamed(data: LabeledImages, fit: Fit, *, value_range: str = FULL) -> LabeledImages:
    """The same images at one size, decoded each time they are asked for; boxes follow.

    Args:
        data: Any images.
        fit: How they come to one size.
        value_range: As for `decode_image`, of images in files of their own.

    Returns:
        The images; no pixel is decoded yet.

    Raises:
        DataError: There are none.
    """
    if not len(data):
        raise DataError("there are no images")
    if isinstance(data.images, StreamedImages):
        raise DataError("these images are streamed already")
    images = StreamedImages(data.images, fit, value_range=value_range)
    boxes = None
    if data.boxes is not None:
        sizes = _sizes(data)
        boxes = tuple(
            moved_boxes(some, fit.window_of(size), fit.size)
            for some, size in zip(data.boxes, sizes, strict=True)
        )
    return replace(data, images=images, boxes=boxes)


def _sizes(data: LabeledImages) -> list[tuple[int, int]]:
    """Width and height of each image; of one that cannot be read, one pixel."""
    held = data.images
    if isinstance(held, Tensor):
        return [(held.shape[3], held.shape[2])] * len(data)

    def one(row: int) -> tuple[int, int]:
        path = held.file(row) if isinstance(held, LazyImages) else None
        try:
            return data.image(row).size if path is None else image_size(path)
        except ImageError:
            return 1, 1  # it is named when it is asked for

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(one, range(len(data))))
