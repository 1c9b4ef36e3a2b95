"""How well scores bring rare images to the top: average precision, recall and precision at k, macro-F1."""

__all__ = [
    "average_precision",
    "class_scores",
    "expected_random_ap",
    "labeled_scores",
    "macro_f1",
    "mean_average_precision",
    "precision_at_k",
    "recall_at_k",
]

import torch
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.shapes import Labels, Logits
from figureground.metrics.classification.detection import aupr

_SCORES = ("logit", "softmax")


@checked
def average_precision(
    scores: Real[Tensor, " n"], positive: Bool[Tensor, " n"]
) -> Float[Tensor, ""]:
    """Mean precision over recall, by steps, without interpolation; equal scores count as one step.

    Invariant under every increasing function of the scores: what only rescales or shifts a class's logit cannot change
    it.

    Args:
        scores: Higher comes first.
        positive: Which images are sought.

    Returns:
        In [0, 1], float64; chance is ``expected_random_ap``. NaN where nothing is sought.

    Raises:
        ShapeError: Lengths differ, or a score is NaN.

    Examples:
        >>> scores = torch.tensor([0.9, 0.5, 0.5, 0.1])
        >>> round(average_precision(scores, torch.tensor([True, True, False, False])).item(), 4)
        0.8333
    """
    _check(scores, positive)
    if not positive.any():
        return torch.full((), torch.nan, dtype=torch.float64)
    if positive.all():
        return torch.ones((), dtype=torch.float64)
    return aupr(scores[~positive], scores[positive])


@checked
def expected_random_ap(positives: int, count: int) -> float:
    """Average precision that a random order has on average.

    With R of n sought and H the n-th harmonic number, ``((R - 1) / (n - 1) · (n - H) + H) / n``: a little more than the
    share R / n.

    Args:
        positives: R, from 1.
        count: n.

    Returns:
        In (0, 1].

    Raises:
        OptionError: R is not in 1 … n.

    Examples:
        >>> round(expected_random_ap(5, 1060), 4), expected_random_ap(3, 3)
        (0.0109, 1.0)
    """
    if not 1 <= positives <= count:
        raise OptionError(f"{positives} of {count} images cannot be sought")
    if count == 1:
        return 1.0
    harmonic = float((1 / torch.arange(1, count + 1, dtype=torch.float64)).sum())
    return ((positives - 1) / (count - 1) * (count - harmonic) + harmonic) / count


@checked
def class_scores(logits: Logits, score: str = "logit") -> Float[Tensor, "N L"]:
    """What each class's ranking is made by.

    Args:
        logits: ``(N, L)``.
        score: ``logit`` as it is; ``softmax``, the order of its probability. The two orders differ as soon as there are
            other classes: report both.

    Returns:
        ``(N, L)`` float64. For ``softmax`` the log odds of the probability, an increasing function of it, since
        probabilities near 1 round to ties.

    Raises:
        OptionError: Unknown score.

    Examples:
        >>> class_scores(torch.tensor([[2.0, 0.5]]), "softmax").tolist()
        [[1.5, -1.5]]
    """
    _check_score(score)
    exact = logits.detach().double()
    if score == "logit":
        return exact
    logs = exact.log_softmax(1)
    odds = logs - torch.log(-torch.expm1(logs))
    # of the best class, 1 - p rounds to 0 long before its odds are infinite: from the others' logits instead
    best = exact.argmax(1, keepdim=True)
    others = exact.scatter(1, best, -torch.inf).logsumexp(1, keepdim=True)
    return odds.scatter(1, best, exact.gather(1, best) - others)


@checked
def mean_average_precision(
    logits: Logits, labels: Labels, *, classes: int, score: str = "logit"
) -> Float[Tensor, ""]:
    """Mean over the rare classes of each one's average precision against all other images.

    Args:
        logits: ``(N, L)``, the background last where there is one.
        labels: ``(N,)``, -1 to L - 1; unlabelled images are left out.
        classes: How many classes count, the first ones; the background does not.
        score: As for ``class_scores``.

    Returns:
        In [0, 1], float64; classes without an image are left out, NaN where none is left.

    Examples:
        >>> logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> mean_average_precision(logits, torch.tensor([0, 1, 1]), classes=1).item()
        1.0
    """
    scores, known = labeled_scores(logits, labels, classes, score=score)
    each = torch.stack([average_precision(scores[:, c], known == c) for c in range(classes)])
    return each.nanmean()


@checked
def macro_f1(predicted: Labels, labels: Int[Tensor, " M"], *, classes: int) -> Float[Tensor, ""]:
    """Mean over the rare classes of the harmonic mean of precision and recall.

    Args:
        predicted: ``(N,)``.
        labels: As many; unlabelled images (-1) are left out.
        classes: How many classes count, the first ones; the background does not.

    Returns:
        In [0, 1], float64; 0 for a class that is neither there nor predicted.

    Raises:
        ShapeError: Lengths differ.
        OptionError: No class counts.

    Examples:
        >>> round(macro_f1(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), classes=1).item(), 4)
        0.6667
    """
    if predicted.shape != labels.shape:
        raise ShapeError(f"{len(predicted)} predictions, {len(labels)} labels")
    if classes < 1:
        raise OptionError(f"one class at least must count, not {classes}")
    known = labels >= 0
    predicted, labels = predicted[known], labels[known]
    each = []
    for c in range(classes):
        both = ((predicted == c) & (labels == c)).sum().double()
        either = (predicted == c).sum() + (labels == c).sum()
        each.append(2 * both / either.clamp_min(1))
    return torch.stack(each).mean()


@checked
def recall_at_k(
    scores: Real[Tensor, " n"], positive: Bool[Tensor, " n"], *, k: int
) -> Float[Tensor, ""]:
    """Share of the sought images that are among the k highest.

    Args:
        scores: Higher comes first; of equal scores at the cut the expectation over their order counts.
        positive: Which images are sought.
        k: From 1; more than there are images is all of them.

    Returns:
        In [0, 1], float64; NaN where nothing is sought.

    Examples:
        >>> recall_at_k(
        ...     torch.tensor([3.0, 2.0, 1.0]), torch.tensor([True, False, True]), k=2
        ... ).item()
        0.5
    """
    return _found_at(scores, positive, k) / positive.sum()


@checked
def precision_at_k(
    scores: Real[Tensor, " n"], positive: Bool[Tensor, " n"], *, k: int
) -> Float[Tensor, ""]:
    """Share of the k highest that are sought.

    Args:
        scores: Higher comes first; of equal scores at the cut the expectation over their order counts.
        positive: Which images are sought.
        k: From 1; more than there are images is all of them.

    Returns:
        In [0, 1], float64.

    Examples:
        >>> precision_at_k(
        ...     torch.tensor([1.0, 1.0, 0.0]), torch.tensor([True, False, True]), k=1
        ... ).item()
        0.5
    """
    return _found_at(scores, positive, k) / min(k, len(scores))


def _found_at(scores: Tensor, positive: Tensor, k: int) -> Tensor:
    """How many sought images are among the k highest, in expectation over the order of equal ones."""
    _check(scores, positive)
    if k < 1:
        raise OptionError(f"k is at least 1, got {k}")
    k = min(k, len(scores))
    cut = scores.topk(k).values[-1]
    above, level = scores > cut, scores == cut
    share = (k - above.sum()).double() / level.sum()
    return (positive & above).sum() + share * (positive & level).sum()


def labeled_scores(
    logits: Logits, labels: Labels, classes: int, *, score: str
) -> tuple[Float[Tensor, "M L"], Int[Tensor, " M"]]:
    """Scores and labels of the labelled images, on the CPU.

    Args:
        logits: ``(N, L)``.
        labels: ``(N,)``, -1 where unlabelled.
        classes: How many classes count.
        score: As for ``class_scores``.

    Returns:
        ``(M, L)`` float64 and ``(M,)``.

    Raises:
        ShapeError: Lengths differ, or fewer outputs than classes.
    """
    if len(logits) != len(labels) or not 1 <= classes <= logits.shape[1]:
        raise ShapeError(
            f"logits {tuple(logits.shape)} for {len(labels)} labels and {classes} classes"
        )
    known = labels >= 0
    return class_scores(logits[known], score).cpu(), labels[known].cpu()


def _check_score(score: str) -> None:
    """Refuse a name that is none."""
    if score not in _SCORES:
        raise unknown_option("score", score, _SCORES)


def _check(scores: Tensor, positive: Tensor) -> None:
    """Refuse scores that cannot be ranked."""
    if len(scores) == 0 or scores.shape != positive.shape or scores.isnan().any():
        raise ShapeError(
            f"{len(scores)} scores for {len(positive)} images; as many as images, none NaN"
        )
