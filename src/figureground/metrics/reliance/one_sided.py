"""The background by itself: what it tells without the object; no verdict."""

__all__ = ["only_background"]

import torch

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.base.shapes import Labels, Logits
from figureground.metrics.intervals import Interval, bootstrap_interval


@checked
def only_background(logits: Logits, labels: Labels, *, seed: int) -> Interval:
    """Accuracy on images without their objects, less that of the commonest answer.

    Args:
        logits: ``(N, K)`` of images whose object was filled (``background_of``).
        labels: Class of each image.
        seed: Of the interval.

    Returns:
        The excess over chance, in [-1, 1]. Chance is the largest share of one class among the labels.

    Raises:
        ShapeError: The numbers of images differ, or there is none.

    References:
        Xiao et al. (2021), arXiv 2006.09994, Only-BG.

    Examples:
        >>> only_background(torch.eye(2).repeat(5, 1), torch.tensor([0, 1] * 5), seed=0).mean
        0.5
    """
    if len(logits) != len(labels) or not len(labels):
        raise ShapeError(f"{len(logits)} rows of logits for {len(labels)} labels")
    chance = float(torch.bincount(labels).max()) / len(labels)
    return bootstrap_interval((logits.argmax(1) == labels).double() - chance, seed=seed)
