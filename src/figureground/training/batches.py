"""Batches of a data set that lies on the device as uint8: shuffled, cut, mirrored, and shared between processes."""

__all__ = ["Batches"]

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.batch import Batch, Geometry
from figureground.base.errors import OptionError
from figureground.training.geometry import apply_geometry, draw_geometry
from figureground.training.streams import stream


@dataclass(frozen=True)
class Batches:
    """Training batches of one process.

    The order of an epoch and the cuts of a step depend on the seed, the epoch and the step alone, and are drawn for the
    global batch; each process takes its share. So a resumed run sees what an uninterrupted one sees, and two processes
    together see what one sees.

    Args:
        images: ``(M, C, H, W)`` uint8, on the device where training runs, or in the CPU's memory where they do not fit.
        labels: ``(M,)`` int64, beside them.
        size: Pictures of a global batch; the last, incomplete one of an epoch is left out.
        seed: Of order and cuts.
        pad: Of the random cuts; 0 for none.
        mirror: Whether half of the pictures are mirrored.
        rank: Number of this process.
        world: How many processes there are; divides ``size``.
        accumulate: Batches of one optimiser step; an epoch has a whole number of such steps.
        device: Where batches go; None leaves them where the pictures are.
        channels_last: Whether the colours of a pixel lie side by side in memory.

    Raises:
        OptionError: The data are fewer than one batch, or processes do not divide it.
    """

    images: Tensor
    labels: Tensor
    size: int
    seed: int
    pad: int = 0
    mirror: bool = False
    rank: int = 0
    world: int = 1
    accumulate: int = 1
    device: torch.device | None = None
    channels_last: bool = False

    def __post_init__(self) -> None:
        if len(self.labels) < self.size * self.accumulate:
            raise OptionError(
                f"a step of {self.size * self.accumulate} pictures was asked for; there are {len(self.labels)}"
            )
        if self.size % self.world:
            raise OptionError(f"{self.world} processes cannot share batches of {self.size} evenly")

    def __len__(self) -> int:
        """Steps of an epoch."""
        return len(self.labels) // (self.size * self.accumulate) * self.accumulate

    @property
    def target(self) -> torch.device:
        """Where batches go."""
        return self.labels.device if self.device is None else self.device

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            number: Of the epoch, from 0.
            start: First step; earlier ones are left out without being made.

        Yields:
            This process's share of each global batch.
        """
        order = torch.randperm(len(self.labels), generator=stream(self.seed, "order", number))
        order = order.to(self.labels.device)
        for step in range(start, len(self)):
            rows = order[step * self.size : (step + 1) * self.size][self.share(self.size)]
            geometry = self.cuts(self.size, "cuts", number, step)
            yield self.made(self.images[rows], self.labels[rows], rows=rows, geometry=geometry)

    def share(self, count: int) -> slice:
        """This process's share of so many global pictures.

        Args:
            count: A multiple of ``world``.

        Returns:
            Which of them.
        """
        share = count // self.world
        return slice(self.rank * share, (self.rank + 1) * share)

    def cuts(self, count: int, purpose: str, *place: int) -> Geometry | None:
        """This process's share of random cuts for so many global pictures.

        Args:
            count: A multiple of ``world``.
            purpose: Keeps cuts of different pictures independent.
            place: Epoch, step and the like.

        Returns:
            The cuts, on the device where batches go; None where pictures stay as they are.
        """
        if not self.pad and not self.mirror:
            return None
        numbers = stream(self.seed, purpose, *place)
        drawn = draw_geometry(count, pad=self.pad, mirror=self.mirror, generator=numbers)
        return drawn.part(self.share(count)).to(self.target)

    def made(
        self, images: Tensor, labels: Tensor, *, rows: Tensor, geometry: Geometry | None
    ) -> Batch:
        """A batch of stored pictures.

        Args:
            images: ``(N, C, H, W)`` uint8.
            labels: ``(N,)``.
            rows: ``(N,)``.
            geometry: How they are cut.

        Returns:
            The batch, where batches go.
        """
        pixels, labels, rows = (
            tensor.to(self.target, non_blocking=True) for tensor in (images, labels, rows)
        )
        pixels = pixels if geometry is None else apply_geometry(pixels, geometry)
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return Batch(
            pixels.to(torch.float32, memory_format=layout).div_(255), labels, rows, geometry
        )
