"""Which combinations of logits are asked for: classes, or the gradient of any scalar function of the logits."""

__all__ = ["Directions"]

from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.errors import ShapeError
from figureground.base.shapes import Logits


@dataclass(frozen=True)
class Directions:
    """K directions in the space of logits for each image, kept as class numbers wherever they are classes.

    Args:
        indices: ``(N, K)`` class numbers, or ``(1, K)`` where all images are asked for the same.
        signs: ``(N, K)`` or ``(1, K)``, 1 or -1 (the negative class of a one-logit network).
        dense: ``(N, K, L)`` weights, in place of ``indices``.
    """

    indices: Tensor | None = None
    signs: Tensor | None = None
    dense: Tensor | None = None

    def __post_init__(self) -> None:
        if (self.indices is None) == (self.dense is None):
            raise ShapeError("directions are either class numbers or dense weights")

    @property
    def count(self) -> int:
        """K."""
        return (self.indices if self.dense is None else self.dense).shape[1]  # type: ignore[union-attr]

    def part(self, start: int, stop: int) -> "Directions":
        """Directions ``start`` to ``stop`` (excluded)."""
        cut = [
            None if t is None else t[:, start:stop] for t in (self.indices, self.signs, self.dense)
        ]
        return Directions(*cut)

    def repeated(self, times: int) -> "Directions":
        """The same for a batch that holds every image ``times`` times, one whole copy after another."""

        def again(tensor: Tensor | None) -> Tensor | None:
            if tensor is None or tensor.shape[0] == 1:
                return tensor
            return tensor.repeat(times, *[1] * (tensor.ndim - 1))

        return Directions(again(self.indices), again(self.signs), again(self.dense))

    def weights(self, matrix: Tensor) -> Tensor:
        """Rows of a ``(L, C)`` matrix combined: ``(N, K, C)``, or ``(1, K, C)`` where all images share them."""
        if self.dense is not None:
            return self.dense @ matrix
        rows = matrix[self.indices]
        return rows if self.signs is None else rows * self.signs[..., None]

    def select(self, values: Tensor) -> Tensor:
        """Entries of ``(N, L, ...)`` combined along the second axis: ``(N, K, ...)``."""
        flat = values.flatten(2) if values.ndim > 2 else values[..., None]
        if self.dense is not None:
            picked = torch.einsum("nkl,nlp->nkp", self.dense, flat)
        else:
            assert self.indices is not None  # noqa: S101 - one of the two is given
            index = self.indices.expand(values.shape[0], -1)[..., None].expand(
                -1, -1, flat.shape[2]
            )
            picked = flat.gather(1, index)
            picked = picked if self.signs is None else picked * self.signs[..., None]
        return picked.reshape(values.shape[0], self.count, *values.shape[2:])

    def cotangent(self, position: int, logits: Logits) -> Logits:
        """Direction number ``position`` as a gradient of the logits, ``(N, L)``."""
        if self.dense is not None:
            return self.dense[:, position].to(logits.dtype)
        assert self.indices is not None  # noqa: S101 - one of the two is given
        index = self.indices[:, position].expand(logits.shape[0])[:, None]
        ones = torch.ones_like(index, dtype=logits.dtype)
        if self.signs is not None:
            ones = ones * self.signs[:, position].expand(logits.shape[0])[:, None]
        return torch.zeros_like(logits).scatter(1, index, ones)
