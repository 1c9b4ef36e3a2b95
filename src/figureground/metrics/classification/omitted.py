"""What a student knows of classes that none of its training images showed."""

__all__ = ["OmittedReport", "omitted_class_report"]

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Labels, Logits


@dataclass(frozen=True)
class OmittedReport:
    """Kept and omitted classes side by side; all in [0, 1], float64, NaN where undefined.

    Args:
        kept_accuracy: Share of the images of kept classes that are right.
        recall: ``(O,)``, for each omitted class the share of its images that are recognised.
        precision: ``(O,)``, for each the share of the images so called that are of it; NaN where none is.
        omitted_recall: Mean of ``recall``.
        omitted_precision: Of the images that are called by an omitted class, the share that are of that class.
        accuracy: Over all images.
        harmonic_mean: Of ``kept_accuracy`` and ``omitted_recall``; 0 where either is.
        chance: What guessing gives, 1 over the number of classes.
        confusion: ``(C, C)`` images, rows are true classes.
    """

    kept_accuracy: Tensor
    recall: Tensor
    precision: Tensor
    omitted_recall: Tensor
    omitted_precision: Tensor
    accuracy: Tensor
    harmonic_mean: Tensor
    chance: float
    confusion: Tensor


@checked
def omitted_class_report(logits: Logits, labels: Labels, omitted: Sequence[int]) -> OmittedReport:
    """How well classes are recognised that were left out of training, and what it costs the others.

    A network that learned from labels alone has recall 0 there; one that was taught by a teacher can have more, since
    the teacher's predictions for other images hold something of the omitted class.

    Args:
        logits: ``(N, C)`` of images of all classes.
        labels: ``(N,)``, from 0 to C - 1.
        omitted: Labels of the omitted classes.

    Returns:
        The report.

    Raises:
        OptionError: No class is omitted, one is named twice, or all are.
        ShapeError: Labels that do not fit.

    Examples:
        >>> logits = torch.eye(3)[[0, 1, 1, 2]]
        >>> found = omitted_class_report(logits, torch.tensor([0, 1, 2, 2]), [2])
        >>> found.kept_accuracy.item(), found.recall.item(), found.precision.item()
        (1.0, 0.5, 1.0)
    """
    return _report(_confusion(logits, labels), omitted)


def _confusion(logits: Tensor, labels: Tensor) -> Int[Tensor, "C C"]:
    """Images by true and predicted class."""
    count, classes = logits.shape
    if labels.shape != (count,) or not ((labels >= 0) & (labels < classes)).all():
        raise ShapeError(f"{count} rows of logits need {count} labels in 0..{classes - 1}")
    places = labels.long() * classes + logits.argmax(1)
    return torch.bincount(places, minlength=classes**2).view(classes, classes)


def _report(confusion: Tensor, omitted: Sequence[int]) -> OmittedReport:
    classes = len(confusion)
    rows = torch.tensor(_checked(omitted, classes), device=confusion.device)
    counts = confusion.double()
    right, of_class, called = counts.diagonal(), counts.sum(1), counts.sum(0)
    kept = torch.ones(classes, dtype=torch.bool, device=confusion.device)
    kept[rows] = False
    kept_accuracy = right[kept].sum() / of_class[kept].sum()
    recall = right[rows] / of_class[rows]
    return OmittedReport(
        kept_accuracy=kept_accuracy,
        recall=recall,
        precision=right[rows] / called[rows],
        omitted_recall=recall.mean(),
        omitted_precision=right[rows].sum() / called[rows].sum(),
        accuracy=right.sum() / counts.sum(),
        harmonic_mean=_harmonic(kept_accuracy, recall.mean()),
        chance=1 / classes,
        confusion=confusion,
    )


def _harmonic(a: Float[Tensor, ""], b: Float[Tensor, ""]) -> Float[Tensor, ""]:
    return torch.where(a + b == 0, a + b, 2 * a * b / (a + b))


def _checked(omitted: Sequence[int], classes: int) -> tuple[int, ...]:
    """The omitted classes, unless they cannot be meant."""
    given = tuple(omitted)
    if not given or len(set(given)) < len(given) or not set(given) < set(range(classes)):
        raise OptionError(
            f"omitted classes are some of 0..{classes - 1}, each once and not all, got {list(given)}"
        )
    return given
