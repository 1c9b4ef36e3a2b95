"""Means over images that never share one batch, nor one process."""

__all__ = ["ImageMeans"]

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import Metric

from figureground.base.errors import ShapeError


class ImageMeans(Metric):
    """Means over images of named quantities; what is undefined is left out and counted.

    Base of the accumulators of this room: they compute per-image values in ``update`` and hand them
    to ``accumulate``.

    Args:
        names: The quantities, in the order in which they are reported.
    """

    is_differentiable = False
    full_state_update = False
    totals: Tensor
    defined: Tensor
    images: Tensor

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        self.add_state("totals", torch.zeros(len(names)), dist_reduce_fx="sum")
        self.add_state("defined", torch.zeros(len(names)), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros(()), dist_reduce_fx="sum")

    def accumulate(self, values: Mapping[str, Tensor]) -> None:
        """Add the images of one batch.

        Args:
            values: Name -> ``(N,)``, one entry per quantity; NaN where undefined.

        Raises:
            ShapeError: The names are not those of this accumulator.
        """
        if set(values) != set(self.names):
            raise ShapeError(f"expected values of {self.names}, not of {tuple(values)}")
        table = torch.stack([values[name].to(self.totals) for name in self.names])
        self.totals += table.nansum(1)
        self.defined += (~table.isnan()).sum(1)
        self.images += table.shape[1]

    def compute(self) -> dict[str, Tensor]:
        """What was found so far.

        Returns:
            Name -> mean over the images where it is defined (NaN where there is none); besides
            ``images``, how many were seen, and ``undefined``, how many of them lack some value.
        """
        means = dict(zip(self.names, self.totals / self.defined, strict=True))
        return {**means, "images": self.images, "undefined": self.images - self.defined.amin()}
