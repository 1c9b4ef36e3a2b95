"""Data sets that come as ``.npz`` packs of encoded images."""

__all__ = ["mnist", "pack"]

from pathlib import Path

import torch

from figureground.base.errors import DataError
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders.load_options import checked_flag
from figureground.data.packs import ImagePack, load_mnist


def pack(path: Path | str, *, train: bool | None = None) -> LabeledImages:
    """The images of a pack that has labels.

    Args:
        path: The ``.npz`` file.
        train: True for its training part, False for its test part, nothing else; None for all of a
            pack that is not divided.

    Returns:
        The images, decoded when asked for, with boxes where the pack has them.

    Raises:
        DataError: It cannot be read, has no labels, or is not divided as asked.
    """
    held = ImagePack(path)
    if held.labels is None:
        raise DataError(f"{path} has no labels")
    if train is not None and checked_flag("train", train) and held.is_test is None:
        raise DataError(f"{path} is not divided into training and test")
    if train is None and held.is_test is not None:
        raise DataError(f"{path} is divided into training and test; say which")
    names = held.classes or [str(label) for label in range(int(held.labels.max()) + 1)]
    boxes = None if held.boxes is None else tuple(torch.from_numpy(box) for box in held.boxes)
    data = LabeledImages(
        LazyImages(held.__getitem__, len(held)),
        torch.from_numpy(held.labels),
        tuple(names),
        boxes,
    )
    if held.is_test is None or train is None:
        return data
    return data.subset(torch.from_numpy(held.is_test != train).nonzero()[:, 0])


def mnist(path: Path | str | None = None, *, train: bool) -> LabeledImages:
    """Handwritten digits.

    Args:
        path: The ``.npz`` file; without it that of the shared folder.
        train: True for the 60,000 training digits in their official order, False for the 10,000
            test digits; nothing else is taken.

    Returns:
        Images of one colour and 28x28 pixels in memory.
    """
    checked_flag("train", train)
    held = load_mnist(path)
    rows = held.is_test != train
    pixels = torch.from_numpy(held.images[rows])[:, None]
    names = tuple(str(digit) for digit in range(10))
    return LabeledImages(pixels, torch.from_numpy(held.labels[rows]), names)
