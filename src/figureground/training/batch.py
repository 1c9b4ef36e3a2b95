"""The images and labels of one training step."""

__all__ = ["Batch"]

from dataclasses import dataclass

import torch

from figureground.base.shapes import Images, Labels
from figureground.training.crops import CropParameters


@dataclass(frozen=True)
class Batch:
    """Images and labels of one step.

    Args:
        images: ``(N, C, H, W)`` float in [0, 1], as the model takes them.
        labels: ``(N,)`` int64; the background label is the last index, -1 is unlabelled.
        indices: ``(N,)`` int64, index of each image in the training data; -1 where it comes from elsewhere.
        crops: How the images were cropped and flipped; None where they were not.
    """

    images: Images
    labels: Labels
    indices: Labels
    crops: CropParameters | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def joined(self, other: "Batch") -> "Batch":
        """Both batches as one; it keeps its crop parameters where both of them have some.

        Args:
            other: What comes after.

        Returns:
            The joined batch.
        """
        crops = None
        if self.crops is not None and other.crops is not None:
            crops = self.crops.joined(other.crops)
        return Batch(
            torch.cat([self.images, other.images]),
            torch.cat([self.labels, other.labels]),
            torch.cat([self.indices, other.indices]),
            crops,
        )
