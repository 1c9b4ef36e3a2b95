"""MaxBoxAcc: the share of images whose box is right, at the best threshold for all of them."""

__all__ = ["BoxAccuracy", "hits", "max_box_acc", "max_box_acc_v2"]

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError

V2_OVERLAPS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class BoxAccuracy:
    """Accuracy at the threshold that is best for these very images: an oracle's choice.

    Args:
        accuracy: Share of images that are hits, in [0, 1]; higher is better.
        position: Which threshold; the first of equals.
        overlap: Intersection over union that makes a hit.
    """

    accuracy: float
    position: int
    overlap: float


def hits(best: Float[Tensor, "N T"], overlap: float = 0.5) -> Bool[Tensor, "N T"]:
    """Which images are right at which threshold.

    Args:
        best: Best overlap of each image at each threshold.
        overlap: Intersection over union that makes a hit, reached or exceeded; in (0, 1].

    Returns:
        True for a hit.

    Raises:
        OptionError: The overlap is out of range.

    Examples:
        >>> import torch
        >>> hits(torch.tensor([[0.5, 0.49]])).tolist()
        [[True, False]]
    """
    if not 0 < overlap <= 1:
        raise OptionError(f"overlap must lie in (0, 1], got {overlap}")
    return best >= overlap


def max_box_acc(best: Float[Tensor, "N T"], overlap: float = 0.5) -> BoxAccuracy:
    """Share of images that are right at the threshold where most are.

    The threshold is chosen on the images that are judged: use it on a validation part, or name
    it an oracle's number (``frozen_accuracy`` gives both).

    Args:
        best: Best overlap of each image at each threshold.
        overlap: Intersection over union that makes a hit.

    Returns:
        The accuracy and the threshold's position.

    Raises:
        ShapeError: There is no image or no threshold.

    References:
        Choe et al. (2020). CVPR, equation 2, arXiv 2001.07437.

    Examples:
        >>> import torch
        >>> best = torch.tensor([[0.6, 0.2], [0.1, 0.7], [0.4, 0.9]])
        >>> max_box_acc(best).accuracy, max_box_acc(best).position
        (0.6666666865348816, 1)
    """
    if best.numel() == 0:
        raise ShapeError(f"no images or no thresholds to judge: table of shape {tuple(best.shape)}")
    shares = hits(best, overlap).float().mean(0)
    position = int(shares.argmax())
    return BoxAccuracy(shares[position].item(), position, overlap)


def max_box_acc_v2(
    best: Float[Tensor, "N T"], overlaps: Sequence[float] = V2_OVERLAPS
) -> tuple[float, tuple[BoxAccuracy, ...]]:
    """Mean over several overlaps of the accuracy at each one's own best threshold.

    Args:
        best: Best overlap of each image at each threshold, over all contours (``CLOVA_V2``).
        overlaps: Intersections over union.

    Returns:
        The mean, and the accuracy at each overlap.

    References:
        Choe et al. (2022). Evaluation for Weakly Supervised Object Localization: Protocol, Metrics, and
        Datasets. TPAMI, arXiv 2007.04178.

    Examples:
        >>> import torch
        >>> max_box_acc_v2(torch.tensor([[0.6], [0.4]]))[0]
        0.5
    """
    each = tuple(max_box_acc(best, overlap) for overlap in overlaps)
    return sum(one.accuracy for one in each) / len(each), each
