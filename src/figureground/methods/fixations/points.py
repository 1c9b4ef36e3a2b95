"""Sets of elements of a tensor, and who follows them."""

__all__ = ["Fixations", "Points", "coordinates", "flat", "merged", "moved"]

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Fixations:
    """What one class of one image was traced back to.

    Args:
        image: Index of the image in its batch.
        class_index: Index of the logit.
        points: ``(P, 3)`` int64: colour channel, row and column, each triple once; P may be 0.
    """

    image: int
    class_index: int
    points: Int[Tensor, "P 3"]

    @property
    def yx(self) -> Int[Tensor, "P 2"]:
        """Row and column of every point; a pixel counts once for each colour that was reached."""
        return self.points[:, 1:]


@dataclass(frozen=True, eq=False)
class Points:
    """Elements of one tensor.

    Args:
        index: ``(P,)`` int64, flat indices (row-major, the axis of the images first).
        owners: ``(P, K)`` bool: the class slots on whose path the element lies.
    """

    index: Tensor
    owners: Tensor


def coordinates(index: Tensor, shape: Sequence[int]) -> list[Tensor]:
    """One index tensor per axis.

    Args:
        index: ``(P,)`` flat indices.
        shape: Shape of the tensor they point into.

    Returns:
        ``len(shape)`` tensors ``(P,)``.
    """
    return list(torch.unravel_index(index, tuple(shape)))


def flat(where: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Flat indices from one index tensor per axis.

    Args:
        where: ``len(shape)`` tensors ``(P,)``.
        shape: Shape of the tensor they point into.

    Returns:
        ``(P,)``.

    Examples:
        >>> import torch
        >>> flat([torch.tensor([1]), torch.tensor([2])], (2, 3)).tolist()
        [5]
    """
    index = torch.zeros_like(where[0])
    for position, size in zip(where, shape, strict=True):
        index = index * size + position
    return index


def moved(points: Points, index: Tensor, keep: Tensor | None = None) -> Points:
    """The points at other places, each place once.

    Args:
        points: Where they were.
        index: ``(P,)`` where each goes.
        keep: ``(P,)`` bool, the points that go on; all where omitted.

    Returns:
        The union; a place that several points go to is owned by all their owners.
    """
    owners = points.owners
    if keep is not None:
        index, owners = index[keep], owners[keep]
    return merged([Points(index, owners)])


def merged(several: Sequence[Points]) -> Points:
    """The union of sets of points of one tensor.

    Args:
        several: At least one set.

    Returns:
        Sorted, each place once.
    """
    index = torch.cat([points.index for points in several])
    owners = torch.cat([points.owners for points in several])
    places, where = torch.unique(index, return_inverse=True)
    counts = torch.zeros(len(places), owners.shape[1], device=index.device)
    return Points(places, counts.index_add_(0, where, owners.float()) > 0)
