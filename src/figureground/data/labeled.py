"""Labelled images: the one form in which data come to training."""

__all__ = ["LabeledImages"]

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from figureground.base.errors import DataError, ShapeError
from figureground.base.places import Place
from figureground.data.lazy import LazyImages, as_image
from figureground.data.notices import Noticed
from figureground.data.streamed import StreamedImages


@dataclass(frozen=True, eq=False)
class LabeledImages:
    """Images with labels; also a map-style dataset of ``(image, label)`` for any ``DataLoader``.

    Labels 0 to K - 1 are the K classes, K is background, -1 is unlabelled: the class names never
    hold the background, so that its label is always the last and the others never shift.

    Args:
        images: Pixels 0 to 255 in memory, or images to be decoded when asked for, of any size or of one.
        labels: -1 to K.
        class_names: The K names.
        boxes: For each image its boxes, xyxy pixels of the stored image, half-open.
        groups: Images of equal number stem from one original and belong on one side of a split.
        notes: What a user should know of how they were read.
        left_out: Images that could not be decoded, and why.
        noticed: What was odd about those that could.
        contexts: Number of each image's surroundings, from 0, where the data tell it.

    Raises:
        ShapeError: Lengths differ, or a label is out of range.

    Examples:
        >>> pixels = torch.zeros(3, 1, 4, 5, dtype=torch.uint8)
        >>> data = LabeledImages(pixels, torch.tensor([0, 1, 2]), ("cat", "dog"))
        >>> data.num_classes, data.background_index, data.class_counts(), data.background_count
        (2, 2, [1, 1], 1)
    """

    images: UInt8[Tensor, "N C H W"] | LazyImages | StreamedImages
    labels: Int[Tensor, " L"]
    class_names: tuple[str, ...]
    boxes: tuple[Float[Tensor, "_ 4"], ...] | None = None
    groups: Int[Tensor, " G"] | None = None
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    noticed: tuple[Noticed, ...] = ()
    contexts: Int[Tensor, " X"] | None = None

    def __post_init__(self) -> None:
        count = len(self.images)
        for name in ("labels", "boxes", "groups", "contexts"):
            values = getattr(self, name)
            if values is not None and len(values) != count:
                raise ShapeError(f"{count} images but {len(values)} {name}")
        if self.contexts is not None and count and int(self.contexts.min()) < 0:
            raise ShapeError(f"contexts are numbers from 0, not {int(self.contexts.min())}")
        if count and not -1 <= int(self.labels.min()) <= int(self.labels.max()) <= self.num_classes:
            raise ShapeError(
                f"labels run from {int(self.labels.min())} to {int(self.labels.max())}; with "
                f"{self.num_classes} classes they are -1 (unlabelled), 0 to {self.num_classes - 1}, "
                f"or {self.num_classes} (background)"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[UInt8[Tensor, "c h w"], int]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"image {row} of {len(self)}")
        held = self.images[row]
        return _pixels(held) if isinstance(held, Image.Image) else held, int(self.labels[row])

    @property
    def num_classes(self) -> int:
        """K, without the background."""
        return len(self.class_names)

    @property
    def background_index(self) -> int:
        """The label of background, K."""
        return self.num_classes

    @property
    def background_count(self) -> int:
        """How many images are background."""
        return int((self.labels == self.background_index).sum())

    @property
    def pixels(self) -> UInt8[Tensor, "N C H W"]:
        """All images, which are in memory or are decoded now.

        Raises:
            DataError: They are of different sizes; `in_memory` decodes them to one.
        """
        if isinstance(self.images, LazyImages):
            raise DataError(
                "these images are decoded when they are asked for; in_memory holds them all at one size"
            )
        return self.images[:]

    def class_counts(self) -> list[int]:
        """How many images each of the K classes has."""
        known = self.labels[(self.labels >= 0) & (self.labels < self.num_classes)]
        counts: list[int] = torch.bincount(known, minlength=self.num_classes).tolist()
        return counts

    def subset(self, rows: Int[Tensor, " n"]) -> "LabeledImages":
        """Some of the images with all that is known of them.

        Args:
            rows: Which, in the order wanted.

        Returns:
            Those images.
        """
        held = self.images
        chosen: list[int] = rows.tolist()
        return replace(
            self,
            images=held[rows] if isinstance(held, Tensor) else held.subset(rows),
            labels=self.labels[rows],
            boxes=None if self.boxes is None else tuple(self.boxes[row] for row in chosen),
            groups=None if self.groups is None else self.groups[rows],
            contexts=None if self.contexts is None else self.contexts[rows],
        )

    def decoded_by(self, decode: Callable[[Place], Image.Image]) -> "LabeledImages":
        """The same images, decoded by another function where they are in files.

        Args:
            decode: The upright image in a file, or at its place in a larger one.

        Returns:
            Those images.
        """
        held = self.images
        return (
            replace(self, images=held.decoded_by(decode)) if isinstance(held, LazyImages) else self
        )

    def image(self, row: int) -> Image.Image:
        """One image.

        Args:
            row: Which.

        Returns:
            It, in mode RGB, or L where one colour is stored.
        """
        return as_image(self.images[row])


def _pixels(image: Image.Image) -> UInt8[Tensor, "c h w"]:
    """(1 or 3, H, W)."""
    array = np.array(image)
    return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1).contiguous()
