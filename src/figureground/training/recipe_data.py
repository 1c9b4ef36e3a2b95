"""The images of a recipe: a training and a validation part, fixed by the seed; the test part is never opened."""

__all__ = ["TrainingData", "training_data"]

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from figureground.base.errors import DataError, ImageError, OptionError
from figureground.base.value_range import FULL
from figureground.data.labeled import LabeledImages
from figureground.data.lazy import LazyImages
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.data.loaders.datasets import load_parts, parts_of
from figureground.data.notices import summed
from figureground.data.omitting import without_classes
from figureground.data.one_size import in_memory, much_memory, streamed
from figureground.data.rare import named_rare, with_rare
from figureground.data.splits import few_shot, first_fraction
from figureground.data.streamed import StreamedImages
from figureground.models import Preprocessing
from figureground.training.recipe import DataSpec

_COLOURS = 3
_HALVES = 2  # beside the seed, by which the images were set aside


@dataclass(frozen=True)
class TrainingData:
    """Images to learn from, and images to choose by.

    Args:
        train: May hold backgrounds, labelled K.
        val: Of the known classes only; with backgrounds, labelled K, where rare classes are sought.
        has_rare: Whether the classes are rare ones in a sea of background.
        value_range: By which they were decoded; after ``fitted``.
    """

    train: LabeledImages
    val: LabeledImages
    has_rare: bool = False
    value_range: str = FULL

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the known classes."""
        return self.train.class_names

    @property
    def backgrounds(self) -> int:
        """How many training images are background."""
        return self.train.background_count

    @property
    def images(self) -> Tensor | StreamedImages:
        """Training images ``(M, C, H, W)`` uint8; after ``fitted``."""
        return _pixels(self.train)

    @property
    def labels(self) -> Tensor:
        """Training labels ``(M,)``."""
        return self.train.labels

    @property
    def val_images(self) -> Tensor | StreamedImages:
        """Validation images ``(V, C, H, W)`` uint8; after ``fitted``."""
        return _pixels(self.val)

    @property
    def val_labels(self) -> Tensor:
        """Validation labels ``(V,)``."""
        return self.val.labels

    def fitted(
        self, preprocessing: Preprocessing, *, storage: str = "memory", from_original: bool = False
    ) -> "TrainingData":
        """The same as the network takes them, by its own preprocessing, as every other command shows them to it.

        Args:
            preprocessing: Of the network.
            storage: ``memory``, ``stream`` or ``auto``; see ``DataSpec``.
            from_original: Whether transforms want photos at their own size.

        Returns:
            Images of its size.

        Raises:
            OptionError: They have another number of colours than it wants.
        """
        channels = _channels(self.train)
        if channels != preprocessing.channels:
            raise OptionError(
                f"the images have {channels} channel{'s' if channels > 1 else ''}, the network takes "
                f"{preprocessing.channels}; set model.arguments.channels={channels} where it can be built so"
            )
        parts = (self.train, self.val)
        pixels = preprocessing.channels * preprocessing.size[0] * preprocessing.size[1]
        needed = pixels * sum(len(part) for part in parts)
        streams = storage == "stream" or (
            storage == "auto"
            and _in_files(self.train)
            and (from_original or needed > much_memory())
        )
        fit = streamed if streams else in_memory
        train, val = (
            fit(part, preprocessing, value_range=preprocessing.value_range) for part in parts
        )
        return replace(self, train=train, val=val, value_range=preprocessing.value_range)

    def description(self) -> dict[str, Any]:
        """What a record keeps of them."""
        odd = summed([*self.train.noticed, *self.val.noticed])
        return {
            "train": len(self.train),
            "val": len(self.val),
            "backgrounds": self.backgrounds,
            "class_names": list(self.class_names),
            "class_counts": self.train.class_counts(),
            "left_out": [*dict.fromkeys((*_left_out(self.train), *_left_out(self.val)))],
            "notes": [*dict.fromkeys((*self.train.notes, *self.val.notes)), *odd],
        }


def training_data(spec: DataSpec, *, seed: int) -> TrainingData:
    """Training and validation part of a data set.

    Args:
        spec: Which, and how divided.
        seed: For what ``spec`` leaves open.

    Returns:
        Both parts; a note tells rare classes without an image in one of them.
    """
    own = seed if spec.seed is None else spec.seed
    options = LoadOptions(
        own,
        spec.val_fraction,
        spec.download,
        spec.count,
        spec.background,
        spec.rho,
        spec.test_fraction,
    )
    # generated sets: as many validation images as the set has by itself, not as many as were asked for training
    plain = replace(options, count=None)
    if spec.use == "held-out":
        val = load_dataset(spec.name, spec.root, part="val", options=plain)
        train, val = _halves(val, seed=own)
    elif spec.count is None:
        train, val = load_parts(spec.name, spec.root, parts=("train", "val"), options=plain)
    else:
        val = load_dataset(spec.name, spec.root, part="val", options=plain)
        train = load_dataset(spec.name, spec.root, part="train", options=options)
    if spec.omit:
        train = without_classes(train, spec.omit)
    if spec.limit is not None and spec.limit < len(train):
        train = train.subset(_few(train.labels, spec, seed=own))
    if spec.rare:
        rare = named_rare(spec.rare)
        train, val = with_rare(train, rare), with_rare(val, rare)
        train = replace(train, notes=(*train.notes, *_absent(train, val)))
    highest = val.num_classes if spec.rare else val.num_classes - 1
    known = torch.nonzero((val.labels >= 0) & (val.labels <= highest)).flatten()
    lost = len(val) - len(known)
    told = f"{lost} validation images of no known class: validation is over the known ones"
    val = replace(val.subset(known), left_out=(*val.left_out, *([told] if lost else [])))
    return TrainingData(train, val, bool(spec.rare))


def _halves(held_out: LabeledImages, *, seed: int) -> tuple[LabeledImages, LabeledImages]:
    """Two halves of every class of the images set aside; images of one group stay together."""
    first, second = parts_of(held_out, 0.5, seed=seed + _HALVES)
    told = f"trained on {len(first)} of {len(held_out)} images that are set aside for validation"
    train = held_out.subset(first)
    return replace(train, notes=(*train.notes, told)), held_out.subset(second)


def _absent(train: LabeledImages, val: LabeledImages) -> list[str]:
    """What to say where rare classes lack images; some are needed to learn from."""
    if not sum(train.class_counts()):
        raise DataError(f"no training image is of a rare class ({', '.join(train.class_names)})")
    return [
        f"no {part} image is of {', '.join(names)}"
        for part, data in (("training", train), ("validation", val))
        if (
            names := [
                n for n, c in zip(data.class_names, data.class_counts(), strict=True) if not c
            ]
        )
    ]


def _few(labels: Tensor, spec: DataSpec, *, seed: int) -> Tensor:
    """Rows of about as many images as the limit says."""
    share = (spec.limit or 0) / len(labels)
    if spec.limit_scheme == "first":
        return first_fraction(len(labels), share)
    return few_shot(labels, fraction=share, seed=seed)


def _left_out(data: LabeledImages) -> tuple[str, ...]:
    """Images that could not be decoded so far, and why."""
    found = data.images.damaged if isinstance(data.images, StreamedImages) else {}
    return (*data.left_out, *(found[row] for row in sorted(found)))


def _pixels(data: LabeledImages) -> Tensor | StreamedImages:
    if isinstance(data.images, LazyImages):
        raise OptionError("images of different sizes: bring them to one size first")
    return data.images


def _channels(data: LabeledImages) -> int:
    """Of tensors as they are; of others those of the first that can be decoded, which files are as three."""
    if isinstance(data.images, Tensor):
        return int(data.images.shape[1])
    for row in range(len(data)):
        with suppress(ImageError):  # which is named when the images are read
            return len(data.image(row).getbands())
    return _COLOURS


def _in_files(data: LabeledImages) -> bool:
    return isinstance(data.images, LazyImages)
