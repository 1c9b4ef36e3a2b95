"""What a training step is given."""

__all__ = ["Batch", "Geometry"]

from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.shapes import Images, Labels


@dataclass(frozen=True)
class Geometry:
    """Where each picture of a batch was cut from its padded original, and whether it was then mirrored.

    Args:
        top: ``(N,)`` int64, first row of the cut in the original padded by ``pad``.
        left: ``(N,)`` int64, first column.
        mirrored: ``(N,)`` bool.
        pad: Pixels added on every side of the original.
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor
    pad: int

    def part(self, rows: slice) -> "Geometry":
        """Of some of the pictures."""
        return Geometry(self.top[rows], self.left[rows], self.mirrored[rows], self.pad)

    def to(self, device: torch.device) -> "Geometry":
        """The same on a device."""
        top, left, mirrored = (
            tensor.to(device, non_blocking=True) for tensor in (self.top, self.left, self.mirrored)
        )
        return Geometry(top, left, mirrored, self.pad)


@dataclass(frozen=True)
class Batch:
    """Pictures and labels of one step.

    Args:
        images: ``(N, C, H, W)`` float in [0, 1], as the model takes them.
        labels: ``(N,)`` int64; the background label is the last index, -1 is unlabelled.
        rows: ``(N,)`` int64, row of each picture in the training data; -1 where it comes from elsewhere.
        geometry: How the pictures were cut and mirrored; None where they were not.
    """

    images: Images
    labels: Labels
    rows: Labels
    geometry: Geometry | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def joined(self, other: "Batch") -> "Batch":
        """Both batches as one; the geometry of pictures that have none is that of an uncut picture.

        Args:
            other: What comes after.

        Returns:
            The joined batch.
        """
        geometry = None
        if self.geometry is not None and other.geometry is not None:
            mine, theirs = self.geometry, other.geometry
            geometry = Geometry(
                torch.cat([mine.top, theirs.top]),
                torch.cat([mine.left, theirs.left]),
                torch.cat([mine.mirrored, theirs.mirrored]),
                mine.pad,
            )
        return Batch(
            torch.cat([self.images, other.images]),
            torch.cat([self.labels, other.labels]),
            torch.cat([self.rows, other.rows]),
            geometry,
        )
