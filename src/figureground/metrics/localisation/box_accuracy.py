"""MaxBoxAcc: the share of images whose box is right, at the best threshold for all of them."""

__all__ = ["BoxAccuracy", "MaxBoxAcc", "MaxBoxAccV2", "hits", "max_box_acc", "max_box_acc_v2"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from figureground.base.errors import OptionError, ShapeError
from figureground.maps.boxes import Shares
from figureground.metrics.localisation.best_overlap import (
    CLOVA,
    CLOVA_V2,
    BoxRule,
    best_overlaps,
    default_thresholds,
)

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
        >>> max_box_acc_v2(torch.tensor([[0.6], [0.4]]))[0]
        0.5
    """
    each = tuple(max_box_acc(best, overlap) for overlap in overlaps)
    return sum(one.accuracy for one in each) / len(each), each


class MaxBoxAcc(Metric):
    """Gathers best overlaps over batches and processes; computes ``max_box_acc``.

    Args:
        thresholds: Shares of each map's maximum; 0, 0.01, ... 0.99 where omitted.
        overlap: Intersection over union that makes a hit.
        rule: How boxes are cut and compared.

    Examples:
        >>> metric = MaxBoxAcc()
        >>> metric.update(torch.eye(8)[None], [torch.tensor([[0.0, 0, 7, 7]])])
        >>> metric.compute()
        {'accuracy': tensor(1.), 'threshold': tensor(0.)}
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    best: list[Tensor]

    def __init__(
        self,
        thresholds: Shares | None = None,
        overlap: float = 0.5,
        *,
        rule: BoxRule = CLOVA,
    ) -> None:
        super().__init__()
        self.thresholds = default_thresholds() if thresholds is None else np.asarray(thresholds)
        self.overlap = overlap
        self.rule = rule
        self.add_state("best", default=[], dist_reduce_fx="cat")

    def update(
        self,
        maps: Float[Tensor, "N H W"] | Float[np.ndarray, "N H W"],
        true_boxes: Sequence[Shaped[Tensor, "_ 4"]],
    ) -> None:
        """Add images.

        Args:
            maps: One map an image, at the size that the boxes refer to.
            true_boxes: For each image its boxes.
        """
        found = best_overlaps(maps, true_boxes, thresholds=self.thresholds, rule=self.rule)
        self.best.append(found.to(self.device))

    def per_image(self) -> Float[Tensor, "N T"]:
        """Best overlap of each image seen at each threshold.

        Returns:
            The table that everything else follows from.
        """
        return dim_zero_cat(self.best) if self.best else torch.zeros(0, len(self.thresholds))

    def compute(self) -> dict[str, Tensor]:
        """The accuracy at the best threshold of the images seen.

        Returns:
            ``accuracy`` in [0, 1], and the ``threshold`` as a share of the maximum.
        """
        found = max_box_acc(self.per_image(), self.overlap)
        threshold = float(self.thresholds[found.position])
        return {"accuracy": torch.tensor(found.accuracy), "threshold": torch.tensor(threshold)}


class MaxBoxAccV2(MaxBoxAcc):
    """Gathers best overlaps over all contours; computes ``max_box_acc_v2``.

    Args:
        thresholds: Shares of each map's maximum; 0, 0.01, ... 0.99 where omitted.
        overlaps: Intersections over union to average over.
        rule: How boxes are cut and compared.
    """

    def __init__(
        self,
        thresholds: Shares | None = None,
        overlaps: Sequence[float] = V2_OVERLAPS,
        *,
        rule: BoxRule = CLOVA_V2,
    ) -> None:
        super().__init__(thresholds, rule=rule)
        self.overlaps = tuple(overlaps)

    def compute(self) -> dict[str, Tensor]:
        """The mean accuracy of the images seen, and its parts.

        Returns:
            ``accuracy``, the mean, and ``accuracy@0.5`` and so on for each overlap, all in [0, 1].
        """
        mean, each = max_box_acc_v2(self.per_image(), self.overlaps)
        parts = {f"accuracy@{one.overlap:g}": torch.tensor(one.accuracy) for one in each}
        return {"accuracy": torch.tensor(mean), **parts}
