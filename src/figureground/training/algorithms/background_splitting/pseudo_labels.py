"""Pseudo-labels of a training set, and whether they can split its background at all."""

__all__ = ["PseudoLabels", "PseudoReport"]

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.errors import ShapeError
from figureground.metrics.classification.ranking import average_precision

_LARGEST_SHARE = 0.5


@dataclass(frozen=True)
class PseudoReport:
    """How pseudo-labels lie over a training set.

    Args:
        perplexity: Exponential of their entropy: of how many equally frequent pseudo-classes they are worth.
        largest_share: Of the most frequent pseudo-class, 0 to 1.
        rare_purity: For each rare class, the share of its images in the pseudo-class that holds most of them.
        mutual_information: Between pseudo-label and label, nats.
        pseudo_ap: Mean average precision of each rare class when every image scores its pseudo-class's share of that
            class: what the pseudo-labels alone know, on the training images themselves and so an upper estimate.
        warnings: Why a gain is not to be expected, in words.
    """

    perplexity: float
    largest_share: float
    rare_purity: tuple[float, ...]
    mutual_information: float
    pseudo_ap: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """One pseudo-label for each image of a training set.

    Args:
        hard: ``(n,)`` int64, 0 to K - 1; -1 for none.
        num_classes: K.
        soft: ``(n, K)`` float16 shares that sum to 1, or None.
        key: Stands for teacher, options and images.

    Raises:
        ShapeError: Lengths differ, or a label is out of range.

    Examples:
        >>> found = PseudoLabels(torch.tensor([0, 0, 1, 1]), 2)
        >>> report = found.report(torch.tensor([0, 1, 1, 1]), num_rare=1)
        >>> round(report.perplexity, 4), report.largest_share, report.rare_purity
        (2.0, 0.5, (1.0,))
    """

    hard: Int[Tensor, " n"]
    num_classes: int
    soft: Float[Tensor, "m K"] | None = None
    key: str = ""

    def __post_init__(self) -> None:
        if (
            len(self.hard)
            and not -1 <= int(self.hard.min()) <= int(self.hard.max()) < self.num_classes
        ):
            raise ShapeError(
                f"pseudo-labels run from {int(self.hard.min())} to {int(self.hard.max())}; K is {self.num_classes}"
            )
        if self.soft is not None and self.soft.shape != (len(self.hard), self.num_classes):
            raise ShapeError(
                f"soft pseudo-labels {tuple(self.soft.shape)} for {len(self.hard)} images"
            )

    def __len__(self) -> int:
        return len(self.hard)

    def of(self, indices: Int[Tensor, " b"]) -> Tensor:
        """Targets of a batch for the auxiliary loss.

        Args:
            indices: Of the training set; -1 for images from elsewhere, which get no target.

        Returns:
            Soft ``(b, K)`` float32 where there are any, else hard ``(b,)``.
        """
        known = indices >= 0
        place = indices.clamp_min(0).to(self.hard.device)
        if self.soft is None:
            return self.hard[place].to(indices.device).masked_fill(~known, -1)
        return self.soft[place].float().to(indices.device) * known[:, None]

    def permuted(self, generator: torch.Generator) -> "PseudoLabels":
        """The same labels on other images: the control that must not help.

        Args:
            generator: Of the permutation.

        Returns:
            The permuted labels.
        """
        order = torch.randperm(len(self.hard), generator=generator)
        soft = None if self.soft is None else self.soft[order]
        return PseudoLabels(self.hard[order], self.num_classes, soft, f"{self.key} permuted")

    def report(self, labels: Int[Tensor, " n"], *, num_rare: int) -> PseudoReport:
        """How they lie over the classes, and warnings where they cannot help.

        A split with 95.7 % in one pseudo-class did harm where it was tried; so it warns above a share of a half, and
        below ``max(2, N)`` effective pseudo-classes.

        Args:
            labels: ``(n,)``, -1 to N.
            num_rare: N.

        Returns:
            The report, over the images that have a pseudo-label.

        Raises:
            ShapeError: Another number of labels, or no pseudo-label at all.
        """
        has = self.hard >= 0
        if len(labels) != len(self.hard) or not has.any():
            raise ShapeError(
                f"{len(labels)} labels for {int(has.sum())} pseudo-labels of {len(self)}"
            )
        pseudo, main = self.hard[has].cpu(), labels.to(self.hard.device)[has].cpu()
        shares = torch.bincount(pseudo, minlength=self.num_classes).double() / len(pseudo)
        perplexity = float(_entropy(shares).exp())
        known = main >= 0
        table = torch.zeros(self.num_classes, num_rare + 1, dtype=torch.float64)
        table.index_put_(
            (pseudo[known], main[known]), torch.ones((), dtype=torch.float64), accumulate=True
        )
        largest = float(shares.max())
        return PseudoReport(
            perplexity,
            largest,
            _purity(table[:, :num_rare]),
            _information(table),
            _own_ap(table, pseudo[known], main[known]),
            _warnings(perplexity, largest, num_rare),
        )


def _entropy(shares: Tensor) -> Tensor:
    """Nats."""
    return -torch.special.xlogy(shares, shares).sum()


def _purity(table: Tensor) -> tuple[float, ...]:
    """Largest share of each column; NaN for an empty one."""
    return tuple((table.amax(0) / table.sum(0)).tolist())


def _information(table: Tensor) -> float:
    """Mutual information of rows and columns, nats."""
    total = table.sum()
    if not total:
        return 0.0
    joint = table / total
    return float((_entropy(joint.sum(0)) + _entropy(joint.sum(1)) - _entropy(joint)).clamp_min(0))


def _own_ap(table: Tensor, pseudo: Tensor, main: Tensor) -> float:
    """Mean average precision of the pseudo-classes' shares as scores."""
    shares = table / table.sum(1, keepdim=True).clamp_min(1)
    classes = range(table.shape[1] - 1)
    if not len(main):
        return float("nan")
    return float(
        torch.stack([average_precision(shares[pseudo, c], main == c) for c in classes]).nanmean()
    )


def _warnings(perplexity: float, largest: float, num_rare: int) -> tuple[str, ...]:
    found = []
    if largest > _LARGEST_SHARE:
        found.append(
            f"{largest:.1%} of the images have one pseudo-label: the background is hardly split, expect no gain"
        )
    if perplexity < max(2, num_rare):
        found.append(
            f"the pseudo-labels are worth {perplexity:.1f} classes for {num_rare} rare ones: expect no gain"
        )
    return tuple(found)
