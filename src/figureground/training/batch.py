"""The images and labels of one training step."""

__all__ = ["Batch"]

from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.shapes import Images, Labels
from figureground.training.crops import CropParameters
from figureground.training.source_pixels import SourcePixels


@dataclass(frozen=True)
class Batch:
    """Images and labels of one step.

    Args:
        images: ``(N, C, H, W)`` float in [0, 1], as the model takes them.
        labels: ``(N,)`` int64; the background label is the last index, -1 is unlabelled.
        indices: ``(N,)`` int64, index of each image in the training data; -1 where it comes from elsewhere.
        crops: How the images were moved (cropped, flipped), so that maps can follow; None where they were not.
        shares: ``(N, L)``, the share of each label in images that are mixed; None where they are not.
    """

    images: Images
    labels: Labels
    indices: Labels
    crops: CropParameters | SourcePixels | None = None
    shares: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def joined(self, other: "Batch") -> "Batch":
        """Both batches as one; it keeps its crop parameters where both of them have some.

        Args:
            other: What comes after.

        Returns:
            The joined batch.
        """
        crops: CropParameters | SourcePixels | None = None
        match self.crops, other.crops:
            case CropParameters() as ours, CropParameters() as theirs:
                crops = ours.joined(theirs)
            case SourcePixels() as ours, SourcePixels() as theirs:
                crops = ours.joined(theirs)
        return Batch(
            torch.cat([self.images, other.images]),
            torch.cat([self.labels, other.labels]),
            torch.cat([self.indices, other.indices]),
            crops,
        )
