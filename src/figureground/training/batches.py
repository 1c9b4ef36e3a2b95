"""Batches of a data set: shuffled, augmented, and shared between processes."""

__all__ = ["Batches", "Drawn", "identity_of"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from figureground.base.errors import DataError, OptionError
from figureground.base.identity import digest, tensor_identity
from figureground.base.value_range import FULL
from figureground.data.streamed import StreamedImages
from figureground.training.batch import Batch
from figureground.training.crops import CropParameters, draw_crops
from figureground.training.loading import Loaded, Loader, Request
from figureground.training.source_pixels import SourcePixels
from figureground.training.streams import stream
from figureground.training.transforms import Transforms

_TELLING = 8  # so many images that are all damaged are no accident
Drawn: TypeAlias = tuple[str, int]
"""What random numbers of images that join a batch are for, and the step: equal ones give equal numbers."""


@dataclass(frozen=True)
class Batches:
    """Training batches of one process.

    The order of an epoch and the crops of a step depend on the seed, the epoch and the step alone, and are drawn for
    the global batch; each process takes its share. Transforms depend on the seed, the epoch and the image. So a resumed
    run sees what an uninterrupted one sees, and two processes together see what one sees.

    Args:
        images: ``(M, C, H, W)`` uint8, on the device where training runs, or in the CPU's memory where they do not fit;
            or images that are streamed from files. One of these that cannot be decoded is black and without a label.
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
        transforms: Augmentation by torchvision's names, instead of ``crop_padding`` and ``flip``.
        geometry: Whether somebody asks where the pixels of transformed images come from.
        workers: Processes that decode and transform; 0 for this one.

    Raises:
        OptionError: The data are fewer than one optimiser step needs, or processes do not divide a batch.
    """

    images: Tensor | StreamedImages
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
    transforms: Transforms | None = None
    geometry: bool = False
    workers: int = 0
    _loaders: list[Loader] = field(default_factory=list, repr=False, compare=False)

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

    def identity(self) -> str:
        """Stands for images and labels."""
        return identity_of(self.images, self.labels)

    @property
    def augmented(self) -> bool:
        """Whether an image differs from epoch to epoch."""
        return bool(self.crop_padding or self.flip or self.transforms)

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
        shares = [
            order[step * self.size : (step + 1) * self.size][self.share(self.size)]
            for step in range(start, len(self))
        ]
        if self.transforms is None and isinstance(self.images, Tensor):
            for step, indices in enumerate(shares, start):
                crops = self._crops(len(indices), "cuts", number, step)
                yield self._of(Loaded(self._pixels(indices)), indices, crops)
            return
        requests = [Request(rows.tolist(), "transforms", (number,)) for rows in shares]
        for step, (indices, loaded) in enumerate(
            zip(shares, self._loader(requests), strict=True), start
        ):
            crops = self._crops(len(indices), "cuts", number, step)
            yield self._of(loaded, indices, crops)

    def share(self, count: int) -> slice:
        """This process's share of so many global images.

        Args:
            count: A multiple of ``world``.

        Returns:
            Which of them.
        """
        share = count // self.world
        return slice(self.rank * share, (self.rank + 1) * share)

    def make(self, indices: Tensor, *, drawn: Drawn | None = None) -> Batch:
        """A batch of images of the data.

        Args:
            indices: ``(N,)``, this process's share of images that may come more than once.
            drawn: What they are augmented by; not at all where omitted.

        Returns:
            The batch, where batches go.
        """
        request = self._request(indices, drawn)
        loaded = (
            Loaded(self._pixels(indices))
            if isinstance(self.images, Tensor) and not self._transformed(drawn)
            else self._loader.one(request)
        )
        return self._of(loaded, indices, self._crops_of(indices, drawn))

    def make_of(
        self, images: Tensor, labels: Tensor, *, indices: Tensor, drawn: Drawn | None = None
    ) -> Batch:
        """A batch of given images.

        Args:
            images: ``(N, C, H, W)`` uint8.
            labels: ``(N,)``.
            indices: ``(N,)``; -1 for images from elsewhere.
            drawn: What they are augmented by; not at all where omitted.

        Returns:
            The batch, where batches go.
        """
        crops: CropParameters | SourcePixels | None = self._crops_of(indices, drawn)
        if self._transformed(drawn):
            loaded = self._loader.of(images.cpu(), self._request(indices, drawn))
            images, crops = loaded.pixels, loaded.sources
        return self._finished(images, labels, indices=indices, crops=crops)

    @property
    def _loader(self) -> Loader:
        """Made when it is first asked for."""
        if not self._loaders:
            held = self.images.cpu() if isinstance(self.images, Tensor) else self.images
            self._loaders.append(
                Loader(
                    held,
                    self.transforms,
                    seed=self.seed,
                    workers=self.workers,
                    geometry=self.geometry,
                    pin=self.target.type == "cuda",
                )
            )
        return self._loaders[0]

    def _transformed(self, drawn: Drawn | None) -> bool:
        return self.transforms is not None and drawn is not None

    def _request(self, indices: Tensor, drawn: Drawn | None) -> Request:
        if drawn is None:
            return Request(indices.tolist(), augmented=False)
        purpose, step = drawn
        return Request(indices.tolist(), purpose, (step,), slot=self.rank * len(indices))

    def _crops_of(self, indices: Tensor, drawn: Drawn | None) -> CropParameters | None:
        return None if drawn is None else self._crops(len(indices), *drawn)

    def _crops(self, own: int, purpose: str, *position: int) -> CropParameters | None:
        """Random crops for this process's images, its share of those of all; None where there are none."""
        if not (self.crop_padding or self.flip):
            return None
        count = own * self.world
        drawn = draw_crops(
            count,
            padding=self.crop_padding,
            flip=self.flip,
            generator=stream(self.seed, purpose, *position),
        )
        return drawn.subset(self.share(count)).to(self.target)

    def _pixels(self, indices: Tensor) -> Tensor:
        assert isinstance(self.images, Tensor)  # noqa: S101 - the caller has looked
        return self.images[indices.to(self.images.device)]

    def _of(self, loaded: Loaded, indices: Tensor, crops: CropParameters | None) -> Batch:
        """A batch of what was loaded; images that cannot be decoded have no label."""
        indices = indices.to(self.labels.device)
        labels = self.labels[indices]
        if loaded.damaged and isinstance(self.images, StreamedImages):
            self.images.damaged.update(loaded.damaged)
            bad = torch.tensor([row in loaded.damaged for row in indices.tolist()])
            if bad.all() and len(bad) >= _TELLING:
                first = next(iter(loaded.damaged.values()))
                raise DataError(f"none of the {len(bad)} images of a batch can be used: {first}")
            labels = labels.masked_fill(bad.to(labels.device), -1)
        return self._finished(loaded.pixels, labels, indices=indices, crops=loaded.sources or crops)

    def _finished(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        indices: Tensor,
        crops: CropParameters | SourcePixels | None,
    ) -> Batch:
        """Cropped, in [0, 1], where batches go."""
        pixels, labels, indices = (
            tensor.to(self.target, non_blocking=True) for tensor in (images, labels, indices)
        )
        if isinstance(crops, CropParameters):
            pixels = crops.apply(pixels)
        elif crops is not None:
            crops = crops.to(self.target)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return Batch(
            pixels.to(torch.float32, memory_format=layout).div_(255), labels, indices, crops
        )


def identity_of(images: Tensor | StreamedImages, labels: Tensor) -> str:
    """Stands for images and labels.

    Args:
        images: In memory or streamed.
        labels: Beside them.

    Returns:
        Sixteen hexadecimal digits.
    """
    if isinstance(images, Tensor):
        return tensor_identity(images, labels)
    return digest(images.identity(), tensor_identity(labels))
