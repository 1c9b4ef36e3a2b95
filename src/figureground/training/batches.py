"""Batches of a data set that lies on the device as uint8: shuffled, cropped, flipped, and shared between processes."""

__all__ = ["Batches"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.value_range import FULL
from figureground.training.batch import Batch
from figureground.training.crops import CropParameters, apply_crops, draw_crops
from figureground.training.streams import stream


@dataclass(frozen=True)
class Batches:
    """Training batches of one process.

    The order of an epoch and the crops of a step depend on the seed, the epoch and the step alone, and are drawn for
    the global batch; each process takes its share. So a resumed run sees what an uninterrupted one sees, and two
    processes together see what one sees.

    Args:
        images: ``(M, C, H, W)`` uint8, on the device where training runs, or in the CPU's memory where they do not fit.
        labels: ``(M,)`` int64, beside them.
        size: Images of a global batch; the last, incomplete one of an epoch is left out.
        seed: Of order and crops.
        crop_padding: Pixels added on every side before a random crop of the image's own size; 0 for no crops.
        flip: Whether half of the images are flipped horizontally.
        rank: Number of this process.
        world: How many processes there are; divides ``size``.
        accumulate: Batches of one optimiser step; an epoch has a whole number of such steps.
        device: Where batches go; None leaves them where the images are.
        channels_last: Whether batches are in ``channels_last`` memory format.
        boxes: For each image its boxes, xyxy pixels, half-open; None where the data have none.
        value_range: By which the images were decoded, for others that join them.
        contexts: ``(M,)`` number of each image's surroundings; None where the data tell none.

    Raises:
        OptionError: The data are fewer than one optimiser step needs, or processes do not divide a batch.
    """

    images: Tensor
    labels: Tensor
    size: int
    seed: int
    crop_padding: int = 0
    flip: bool = False
    rank: int = 0
    world: int = 1
    accumulate: int = 1
    device: torch.device | None = None
    channels_last: bool = False
    boxes: Sequence[Tensor] | None = None
    value_range: str = FULL
    contexts: Tensor | None = None

    def __post_init__(self) -> None:
        if len(self.labels) < self.size * self.accumulate:
            raise OptionError(
                f"a step of {self.size * self.accumulate} images was asked for; there are {len(self.labels)}"
            )
        if self.size % self.world:
            raise OptionError(f"{self.world} processes cannot share batches of {self.size} evenly")

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.labels) // (self.size * self.accumulate) * self.accumulate

    @property
    def augmented(self) -> bool:
        """Whether an image differs from epoch to epoch."""
        return bool(self.crop_padding or self.flip)

    @property
    def target(self) -> torch.device:
        """Where batches go."""
        return self.labels.device if self.device is None else self.device

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            number: Of the epoch, from 0.
            start: First batch; earlier ones are skipped without being made.

        Yields:
            This process's share of each global batch.
        """
        order = torch.randperm(len(self.labels), generator=stream(self.seed, "order", number))
        order = order.to(self.labels.device)
        for step in range(start, len(self)):
            indices = order[step * self.size : (step + 1) * self.size][self.share(self.size)]
            yield self.make(indices, crops=self.draw_crops(self.size, "cuts", number, step))

    def share(self, count: int) -> slice:
        """This process's share of so many global images.

        Args:
            count: A multiple of ``world``.

        Returns:
            Which of them.
        """
        share = count // self.world
        return slice(self.rank * share, (self.rank + 1) * share)

    def draw_crops(self, count: int, purpose: str, *position: int) -> CropParameters | None:
        """This process's share of random crops for so many global images.

        Args:
            count: A multiple of ``world``.
            purpose: Keeps crops of different images independent.
            position: Epoch, step and the like.

        Returns:
            The parameters, on the device where batches go; None where images stay as they are.
        """
        if not self.augmented:
            return None
        drawn = draw_crops(
            count,
            padding=self.crop_padding,
            flip=self.flip,
            generator=stream(self.seed, purpose, *position),
        )
        return drawn.subset(self.share(count)).to(self.target)

    def make(self, indices: Tensor, *, crops: CropParameters | None = None) -> Batch:
        """A batch of images of the data.

        Args:
            indices: ``(N,)``, beside the labels.
            crops: How they are cropped and flipped; not at all where omitted.

        Returns:
            The batch, where batches go.
        """
        return self.make_of(
            self.images[indices], self.labels[indices], indices=indices, crops=crops
        )

    def make_of(
        self, images: Tensor, labels: Tensor, *, indices: Tensor, crops: CropParameters | None
    ) -> Batch:
        """A batch of given images.

        Args:
            images: ``(N, C, H, W)`` uint8.
            labels: ``(N,)``.
            indices: ``(N,)``; -1 for images from elsewhere.
            crops: How they are cropped and flipped.

        Returns:
            The batch, where batches go.
        """
        pixels, labels, indices = (
            tensor.to(self.target, non_blocking=True) for tensor in (images, labels, indices)
        )
        pixels = pixels if crops is None else apply_crops(pixels, crops)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return Batch(
            pixels.to(torch.float32, memory_format=layout).div_(255), labels, indices, crops
        )
