"""Accuracy on pictures made worse, at every severity."""

__all__ = ["CorruptionAccuracy", "corruption_accuracy"]

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class CorruptionAccuracy:
    """What a classifier still gets right.

    Args:
        by_severity: Severity -> share of the pictures that is right, in [0, 1].
        images: Pictures at each severity.
    """

    by_severity: Mapping[int, float]
    images: int

    @property
    def mean(self) -> float:
        """Over the severities, each of which counts the same."""
        return sum(self.by_severity.values()) / len(self.by_severity)


def corruption_accuracy(
    score: Callable[[Tensor], Tensor],
    make_corrupted: Callable[[int], Iterable[tuple[Tensor, Tensor]]],
    *,
    severities: Sequence[int] = SEVERITIES,
) -> CorruptionAccuracy:
    """Accuracy under one kind of corruption, severity by severity.

    Args:
        score: Images ``(N, C, H, W)`` -> logits ``(N, L)``, in evaluation mode.
        make_corrupted: A severity -> batches of pictures and labels ``(N,)``, the same pictures for every severity.
        severities: All five by default. A mean over fewer is not comparable with published numbers.

    Returns:
        The accuracy at each severity and their mean. For several corruptions take the mean of the means.

    Raises:
        OptionError: No severity.
        ShapeError: A severity without pictures, or with other numbers of pictures than the rest.

    References:
        Hendrycks, Dietterich (2019). Benchmarking neural network robustness to common corruptions and perturbations.
        ICLR, arXiv:1903.12261.

    Examples:
        >>> pictures, labels = torch.eye(2).reshape(2, 2, 1, 1), torch.tensor([0, 1])
        >>> def darker(severity):
        ...     yield (pictures - 0.3 * severity).clamp_min(0), labels
        >>> found = corruption_accuracy(lambda x: x.flatten(1), darker)
        >>> found.by_severity, found.mean
        ({1: 1.0, 2: 1.0, 3: 1.0, 4: 0.5, 5: 0.5}, 0.8)
    """
    if len(severities) == 0:
        raise OptionError("corruption_accuracy needs at least one severity")
    counted = {severity: _right(score, make_corrupted(severity)) for severity in severities}
    sizes = {images for _, images in counted.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise ShapeError(
            f"each severity needs the same pictures, and some; their numbers are {sorted(sizes)}"
        )
    (images,) = sizes
    return CorruptionAccuracy(
        {severity: right / images for severity, (right, _) in counted.items()}, images
    )


def _right(
    score: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[int, int]:
    """How many are right, of how many."""
    right, images = 0, 0
    with torch.no_grad():
        for pictures, labels in batches:
            logits = score(pictures)
            if logits.ndim != 2 or labels.shape != (len(logits),):
                raise ShapeError(
                    f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit"
                )
            right += int((logits.argmax(1) == labels.to(logits.device)).sum())
            images += len(labels)
    return right, images
