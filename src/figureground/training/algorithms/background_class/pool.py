"""Images without any of the known objects, brought to the size and colours of the training images."""

__all__ = ["load_pool"]

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from figureground.base.claim import kind_of
from figureground.base.errors import DataError
from figureground.base.value_range import FULL
from figureground.data.background import read_pool
from figureground.data.finding import image_files
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.data.notices import Noticed, summed
from figureground.data.one_size import in_memory
from figureground.training.recipe import DataSpec


def load_pool(
    sources: Sequence[str | DataSpec],
    *,
    shape: tuple[int, int, int],
    seed: int,
    value_range: str = FULL,
) -> tuple[UInt8[Tensor, "P C H W"], tuple[str, ...], tuple[str, ...]]:
    """Background images from folders and data sets, one after the other.

    Args:
        sources: Folders: of a pool as ``figureground background build`` leaves it, the part to train on; others are
            searched with their subfolders. Or data sets, of whose training part the background images are taken, or
            all where none are marked.
        shape: Channels, height and width of the training images. Images are scaled until they cover it, then cropped.
        seed: For data sets that give none of their own.
        value_range: As for ``decode_image``.

    Returns:
        All images; colours become grey by the weights of ITU-R 601, grey becomes three equal channels. And those that
        could not be decoded, and why; and what was odd about others.

    Raises:
        DataError: A source has no images.
    """
    channels, *size = shape
    parts = []
    left_out: list[str] = []
    noticed: list[Noticed] = []
    for source in sources:
        data = _folder(source) if isinstance(source, str) else _data_set(source, seed)
        data = in_memory(data, (size[0], size[1]), value_range=value_range)
        parts.append(_with_channels(data.pixels, channels))
        left_out += data.left_out
        noticed += data.noticed
    return torch.cat(parts), tuple(left_out), summed(noticed)


def _folder(place: str) -> LabeledImages:
    """Every image below a folder; of a pool, which must be finished, those to train on, without its report's."""
    made = kind_of(Path(place)) == "background"
    paths = _to_train_on(place) if made else image_files(place)
    if not paths:
        raise DataError(f"the background pool {place} holds no images")
    unlabelled = torch.full((len(paths),), -1)
    return LabeledImages(LazyImages.of_files(paths), unlabelled, ())


def _to_train_on(pool: str) -> list[Path]:
    part = read_pool(pool)
    return [part.folder / entry.file for entry in part.entries]


def _data_set(spec: DataSpec, seed: int) -> LabeledImages:
    """The backgrounds of a data set's training part, or all of it where none are marked."""
    options = LoadOptions(
        seed=seed if spec.seed is None else spec.seed,
        val_fraction=spec.val_fraction,
        test_fraction=spec.test_fraction,
        download=spec.download,
        count=spec.count,
        background=spec.background,
    )
    data = load_dataset(spec.name, spec.root, part="train", options=options)
    indices = torch.arange(len(data))
    if data.background_count:
        indices = indices[data.labels == data.background_index]
    return data.subset(indices[: spec.limit])


def _with_channels(images: Tensor, channels: int) -> Tensor:
    """Grey or colour, as the training images are."""
    if images.shape[1] == channels:
        return images
    if channels == 1:
        weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        grey = [
            (part * weights).sum(1, keepdim=True).round().byte()
            for part in torch.split(images, 1024)
        ]
        return torch.cat(grey)
    return images.expand(-1, channels, -1, -1)
