"""Right *and* not rejected: the open-set classification rate, and one accumulator for all that scores can tell."""

__all__ = ["OutOfDistribution", "ccr_at_fpr", "oscr"]

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.classification.detection import Scores, aupr, auroc, fpr_at_tpr


def oscr(in_scores: Scores, correct: Bool[Tensor, " N"], out_scores: Scores) -> Float[Tensor, ""]:
    """Area under the curve of right answers over false positives, as a threshold on the score is relaxed.

    At each threshold: the share of the known pictures that are accepted and right (CCR), over the share of the unknown
    that are accepted (FPR). The curve ends at the closed-set accuracy. Equal to the AUROC where all answers are right.

    Args:
        in_scores: Of known pictures.
        correct: Whether each of them is classified rightly.
        out_scores: Of unknown pictures; higher is further out for both, and low scores are accepted.

    Returns:
        In [0, accuracy], float64; higher is better.

    Raises:
        ShapeError: A group is empty, a score is NaN, or as many scores as answers are needed.

    References:
        Dhamija, Günther, Boult (2018). Reducing network agnostophobia. NeurIPS, arXiv:1811.04110, §4.

    Examples:
        >>> scores = torch.tensor([0.1, 0.2]), torch.tensor([True, False]), torch.tensor([0.9])
        >>> oscr(*scores).item()
        0.5
    """
    rate, false_positives = _curve(in_scores, correct, out_scores)
    return torch.trapezoid(rate, false_positives)


def ccr_at_fpr(
    in_scores: Scores, correct: Bool[Tensor, " N"], out_scores: Scores, *, fpr: float = 0.05
) -> Float[Tensor, ""]:
    """Share of the known pictures that are accepted and right, when at most this share of the unknown is accepted.

    Args:
        in_scores: Of known pictures.
        correct: Whether each of them is classified rightly.
        out_scores: Of unknown pictures; higher is further out for both.
        fpr: Share of the unknown, in [0, 1]. At 1 the result is the accuracy.

    Returns:
        In [0, accuracy], float64; higher is better.

    Raises:
        OptionError: The share is out of range.
        ShapeError: A group is empty, a score is NaN, or as many scores as answers are needed.

    References:
        Dhamija, Günther, Boult (2018), arXiv:1811.04110, §4.

    Examples:
        >>> scores = torch.tensor([0.1, 0.4]), torch.tensor([True, True]), torch.tensor([0.3, 0.9])
        >>> [ccr_at_fpr(*scores, fpr=share).item() for share in (0.0, 0.5)]
        [0.5, 1.0]
    """
    if not 0 <= fpr <= 1:
        raise OptionError(f"fpr must be in [0, 1], got {fpr}")
    rate, false_positives = _curve(in_scores, correct, out_scores)
    return rate[false_positives <= fpr + 1e-12].amax()


class OutOfDistribution(Metric):
    """Gathers scores over batches and processes; computes all measures of this room that need both groups.

    Examples:
        >>> found = OutOfDistribution()
        >>> found.update(torch.tensor([0.1, 0.4, 0.9]), unknown=torch.tensor([False, False, True]))
        >>> {name: value.item() for name, value in found.compute().items()}
        {'auroc': 1.0, 'aupr_out': 1.0, 'aupr_in': 1.0, 'fpr95_out': 0.0, 'fpr95_in': 0.0}
    """

    is_differentiable = False
    full_state_update = False
    scores: list[Tensor]
    unknown: list[Tensor]
    correct: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("scores", "unknown", "correct"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(
        self,
        scores: Float[Tensor, " N"],
        *,
        unknown: Bool[Tensor, " N"],
        correct: Bool[Tensor, " N"] | None = None,
    ) -> None:
        """Add pictures.

        Args:
            scores: Higher is further out.
            unknown: Which pictures show none of the known classes.
            correct: Which pictures are classified rightly, for ``oscr``; what is said of unknown ones is not looked at.
                Given always or never.

        Raises:
            ShapeError: The numbers of pictures differ.
        """
        lengths = {len(part) for part in (scores, unknown, correct) if part is not None}
        if len(lengths) > 1:
            raise ShapeError(f"scores, unknown and correct must be of one length: {lengths}")
        self.scores.append(scores.detach().double())
        self.unknown.append(unknown)
        if correct is not None:
            self.correct.append(correct)

    def compute(self) -> dict[str, Float[Tensor, ""]]:
        """What was found so far.

        Returns:
            ``auroc``, ``aupr_out``, ``aupr_in``, ``fpr95_out``, ``fpr95_in`` (the last word says which group is
            positive), and ``oscr`` where it is known which answers are right.

        Raises:
            ShapeError: A group is empty, or ``correct`` was given for some batches only.
        """
        scores, unknown = self._joined(self.scores).double(), self._joined(self.unknown).bool()
        known_scores, unknown_scores = scores[~unknown], scores[unknown]
        found = {"auroc": auroc(known_scores, unknown_scores)}
        for side in ("out", "in"):
            found[f"aupr_{side}"] = aupr(known_scores, unknown_scores, positive=side)
        for side in ("out", "in"):
            found[f"fpr95_{side}"] = fpr_at_tpr(known_scores, unknown_scores, positive=side)
        if len(self.correct):
            correct = self._joined(self.correct).bool()
            if len(correct) != len(scores):
                raise ShapeError("give 'correct' with every update, or with none")
            found["oscr"] = oscr(known_scores, correct[~unknown], unknown_scores)
        return found

    @staticmethod
    def _joined(parts: list[Tensor]) -> Tensor:
        """All batches as one tensor."""
        return dim_zero_cat(parts) if len(parts) else torch.zeros(0)


def _curve(in_scores: Tensor, correct: Tensor, out_scores: Tensor) -> tuple[Tensor, Tensor]:
    """CCR and FPR from the strictest threshold, which accepts nothing, to the laxest."""
    if in_scores.shape != correct.shape:
        raise ShapeError(f"{len(in_scores)} scores of known pictures, {len(correct)} answers")
    for scores in (in_scores, out_scores):
        if len(scores) == 0 or scores.isnan().any():
            raise ShapeError("both groups need scores, and none may be NaN")
    known, unknown = in_scores.detach().double(), out_scores.detach().double().to(in_scores.device)
    thresholds = torch.cat([known, unknown]).sort().values  # a repeated one adds no area
    right = known[correct].sort().values
    # double before the division: 2 of 40 must not come out above 0.05
    rate = torch.searchsorted(right, thresholds, right=True).double() / len(known)
    passed = torch.searchsorted(unknown.sort().values, thresholds, right=True).double()
    start = rate.new_zeros(1)
    return torch.cat([start, rate]), torch.cat([start, passed / len(unknown)])
