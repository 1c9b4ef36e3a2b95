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
        images: ``(M, C, H, W)`` uint8, on the device where training runs.
        labels: ``(M,)`` int64.
        size: Pictures of a global batch; the last, incomplete one of an epoch is left out.
        seed: Of order and cuts.
        pad: Of the random cuts; 0 for none.
        mirror: Whether half of the pictures are mirrored.
        rank: Number of this process.
        world: How many processes there are; divides ``size``.

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

    def __post_init__(self) -> None:
        if len(self.labels) < self.size:
            raise OptionError(
                f"a batch of {self.size} pictures was asked for; there are {len(self.labels)}"
            )
        if self.size % self.world:
            raise OptionError(f"{self.world} processes cannot share batches of {self.size} evenly")

    def __len__(self) -> int:
        """Steps of an epoch."""
        return len(self.labels) // self.size

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            number: Of the epoch, from 0.
            start: First step; earlier ones are left out without being made.

        Yields:
            This process's share of each global batch.
        """
        order = torch.randperm(len(self.labels), generator=stream(self.seed, "order", number))
        share = self.size // self.world
        mine = slice(self.rank * share, (self.rank + 1) * share)
        for step in range(start, len(self)):
            rows = order[step * self.size : (step + 1) * self.size][mine].to(self.labels.device)
            geometry = self._geometry(number, step, mine)
            images = self.images[rows]
            images = images if geometry is None else apply_geometry(images, geometry)
            yield Batch(images.float().div_(255), self.labels[rows], rows, geometry)

    def _geometry(self, epoch: int, step: int, mine: slice) -> Geometry | None:
        if not self.pad and not self.mirror:
            return None
        drawn = draw_geometry(
            self.size,
            pad=self.pad,
            mirror=self.mirror,
            generator=stream(self.seed, "cuts", epoch, step),
        )
        return drawn.part(mine)
