"""A threshold chosen on a validation part and kept: the number to report; and the oracle's beside it."""

__all__ = ["ChosenThreshold", "FrozenAccuracy", "choose_threshold", "frozen_accuracy"]

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.errors import ShapeError
from figureground.maps.boxes import Shares
from figureground.metrics.localisation.box_accuracy import hits, max_box_acc


@dataclass(frozen=True)
class ChosenThreshold:
    """What the validation part says.

    Args:
        threshold: Share of the maximum.
        position: Its place in the list.
        overlap: Intersection over union that makes a hit.
        validation_accuracy: Share of validation images that are hits with it.
    """

    threshold: float
    position: int
    overlap: float
    validation_accuracy: float


@dataclass(frozen=True, eq=False)
class FrozenAccuracy:
    """Accuracy on the test part.

    Args:
        accuracy: With the threshold chosen on the validation part: the number to report.
        oracle_accuracy: With the threshold that is best on the test part itself: an upper bound that no user
            could have reached; never to be reported without the word "oracle".
        oracle_threshold: That threshold.
        per_image: Which test images are hits with the chosen threshold, for intervals and paired tests.
        chosen: The choice.
    """

    accuracy: float
    oracle_accuracy: float
    oracle_threshold: float
    per_image: Bool[Tensor, " N"]
    chosen: ChosenThreshold


def choose_threshold(
    validation: Float[Tensor, "N T"],
    thresholds: Shares,
    *,
    overlap: float = 0.5,
) -> ChosenThreshold:
    """The threshold at which most validation images are right.

    Args:
        validation: Best overlap of each validation image at each threshold.
        thresholds: Shares of the maximum, as many as the table has columns.
        overlap: Intersection over union that makes a hit.

    Returns:
        The choice; of equally good thresholds the middle one of the first run of them, for it is
        the least likely to be at an edge by chance.

    Raises:
        ShapeError: The table does not have one column a threshold, or no row.

    Examples:
        >>> import torch
        >>> best = torch.tensor([[0.6, 0.6, 0.6, 0.1]])
        >>> choose_threshold(best, [0.1, 0.2, 0.3, 0.4]).threshold
        0.2
    """
    if validation.shape[0] == 0 or validation.shape[1] != len(thresholds):
        raise ShapeError(f"{len(thresholds)} thresholds but a table of {tuple(validation.shape)}")
    shares = hits(validation, overlap).double().mean(0)
    best = shares == shares.max()
    first = int(best.int().argmax())
    run = int(best[first:].int().cumprod(0).sum())
    position = first + (run - 1) // 2
    return ChosenThreshold(float(thresholds[position]), position, overlap, shares[position].item())


def frozen_accuracy(
    test: Float[Tensor, "N T"],
    thresholds: Shares,
    *,
    chosen: ChosenThreshold,
) -> FrozenAccuracy:
    """Accuracy on the test part with a threshold that was chosen elsewhere, and the oracle's.

    Args:
        test: Best overlap of each test image at each threshold; other images than the validation part's.
        thresholds: The same shares of the maximum as in the choice.
        chosen: The choice.

    Returns:
        Both accuracies and the hits of each image.

    Raises:
        ShapeError: The thresholds are not those of the choice, or there is no image.

    References:
        Choe et al. (2020). CVPR, section 4, arXiv 2001.07437: hyper-parameters of the box come from
        held-out images with boxes.

    Examples:
        >>> import torch
        >>> chosen = choose_threshold(torch.tensor([[0.6, 0.1]]), [0.2, 0.4])
        >>> result = frozen_accuracy(
        ...     torch.tensor([[0.1, 0.6], [0.7, 0.8]]), [0.2, 0.4], chosen=chosen
        ... )
        >>> result.accuracy, result.oracle_accuracy
        (0.5, 1.0)
    """
    if test.shape[1] != len(thresholds) or thresholds[chosen.position] != chosen.threshold:
        raise ShapeError("the thresholds are not the ones that the choice was made from")
    oracle = max_box_acc(test, chosen.overlap)
    per_image = hits(test, chosen.overlap)[:, chosen.position]
    return FrozenAccuracy(
        per_image.float().mean().item(),
        oracle.accuracy,
        float(thresholds[oracle.position]),
        per_image,
        chosen,
    )
