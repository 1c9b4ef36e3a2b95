"""Groups of training images that are to count alike."""

__all__ = ["balanced_weights", "groups_of"]

import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.training.batches import Batches


@checked
def balanced_weights(
    groups: Int[Tensor, " N"], values: Float[Tensor, " N"] | None = None
) -> Float[Tensor, " N"]:
    """Weights that sum to the same in every group, and to 1 in all.

    Args:
        groups: Number of each image's group, from 0; numbers without an image do not count.
        values: Positive weights to begin with, whose ratios within a group stay; all alike where omitted.

    Returns:
        Float64, each above 0.

    Raises:
        ShapeError: There is no image, or a group has a negative number.

    Examples:
        >>> balanced_weights(torch.tensor([0, 0, 2, 0, 0])).tolist()
        [0.125, 0.125, 0.5, 0.125, 0.125]
    """
    if not len(groups) or int(groups.min()) < 0:
        raise ShapeError("weights are of one or more images, whose groups have numbers from 0")
    found = torch.ones(len(groups), dtype=torch.float64, device=groups.device)
    if values is not None:
        found = values.double()
    sums = torch.bincount(groups, found)
    return found / sums[groups] / int((torch.bincount(groups) > 0).sum())


def groups_of(batches: Batches) -> Tensor:
    """The group of each training image: its class and its context.

    Args:
        batches: Of data that tell contexts.

    Returns:
        ``(M,)`` int64, from 0, with no number left out; -1 for unlabelled images.

    Raises:
        OptionError: The data tell no contexts, or no image is labelled.
    """
    if batches.contexts is None:
        raise OptionError(
            "groups of class and context are asked for, and these data tell no contexts. The planted sets do, and a "
            "CSV file of your own with a column 'context' (data.name: csv)"
        )
    labels, contexts = batches.labels.cpu(), batches.contexts.cpu()
    known = labels >= 0
    if not known.any():
        raise OptionError(
            "groups of class and context are asked for, and no training image is labelled"
        )
    pairs = labels * (int(contexts.max()) + 1) + contexts
    found = torch.full_like(labels, -1)
    found[known] = torch.unique(pairs[known], return_inverse=True)[1]
    return found
