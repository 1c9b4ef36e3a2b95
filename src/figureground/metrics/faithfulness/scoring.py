"""The classifier as a metric sees it: a callable, asked in batches for class probabilities."""

__all__ = ["PLAIN", "Explain", "PerImage", "Score", "Scoring", "class_probabilities", "clean_pass"]

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.shapes import Images, Labels

PerImage = Float[Tensor, "N"]
"""One number per image; NaN where it is undefined."""

Score = Callable[[Tensor], Tensor]
"""Images ``(M, C, H, W)`` -> logits or probabilities ``(M, L)``; in evaluation mode."""

Explain = Callable[[Tensor, Tensor], Tensor]
"""Images ``(N, C, H, W)`` and classes ``(N,)`` -> maps ``(N, h, w)``."""

_OUTPUTS = ("logits", "probabilities")


@dataclass(frozen=True)
class Scoring:
    """How to ask a classifier.

    Args:
        outputs: What ``score`` returns: ``logits`` (a softmax is taken) or ``probabilities`` (used
            as they are, so sigmoid outputs work too).
        batch_size: Images per call of ``score``; bounds the memory of every sweep.

    Raises:
        OptionError: An unknown kind of output, or a batch size below one.
    """

    outputs: str = "logits"
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.outputs not in _OUTPUTS:
            raise unknown_option("kind of output", self.outputs, _OUTPUTS)
        if self.batch_size < 1:
            raise OptionError(f"batch_size must be at least 1, not {self.batch_size}")


PLAIN = Scoring()


def clean_pass(
    score: Score, images: Images, *, classes: Labels | None = None, scoring: Scoring = PLAIN
) -> tuple[Labels, PerImage]:
    """Which class is asked about, and how probable it is on the untouched image.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)``.
        classes: One class per image; the most probable one where omitted.
        scoring: How to ask.

    Returns:
        Classes and their probabilities, both ``(N,)``.

    Raises:
        ShapeError: As many classes as images are needed, each below the number of outputs, and
            ``score`` must return ``(N, L)``.

    Examples:
        >>> images = torch.tensor([0.9, 0.2]).reshape(2, 1, 1, 1)
        >>> score = lambda x: torch.cat([x, 1 - x], 1).flatten(1)
        >>> clean_pass(score, images, scoring=Scoring("probabilities"))
        (tensor([0, 1]), tensor([0.9000, 0.8000]))
    """
    with torch.no_grad():
        parts = [
            _probabilities(score, some, scoring) for some in torch.split(images, scoring.batch_size)
        ]
    probabilities = torch.cat(parts)
    asked = probabilities.argmax(1) if classes is None else classes.to(probabilities.device).long()
    _check_classes(asked, probabilities)
    return asked, probabilities.gather(1, asked[:, None])[:, 0]


def class_probabilities(
    score: Score,
    build: Callable[[Tensor], Tensor],
    *,
    classes: Int[Tensor, " M"],
    scoring: Scoring = PLAIN,
) -> Float[Tensor, " M"]:
    """The probability of one class for each of many images that never exist all at once.

    Args:
        score: The classifier.
        build: Row numbers ``(B,)`` -> the images of these rows ``(B, C, H, W)``.
        classes: The class that each row is asked for.
        scoring: How to ask.

    Returns:
        One probability per row.

    Raises:
        ShapeError: ``score`` did not return ``(B, L)``.
    """
    parts = []
    with torch.no_grad():
        rows = torch.arange(len(classes), device=classes.device)
        for some in torch.split(rows, scoring.batch_size):
            found = _probabilities(score, build(some), scoring)
            parts.append(found.gather(1, classes[some][:, None])[:, 0])
    return torch.cat(parts)


def _probabilities(score: Score, images: Tensor, scoring: Scoring) -> Tensor:
    """What the classifier says of these images, as float32 probabilities."""
    output = score(images)
    if output.ndim != 2 or len(output) != len(images):
        wanted, shape = f"({len(images)}, L)", tuple(output.shape)
        raise ShapeError(f"score must return {wanted}, one row per image; it returned {shape}")
    output = output.detach().float()
    return output.softmax(1) if scoring.outputs == "logits" else output


def _check_classes(classes: Tensor, probabilities: Tensor) -> None:
    """Refuse a wrong number of classes, or a class that the classifier does not have."""
    count, outputs = probabilities.shape
    if classes.shape != (count,):
        raise ShapeError(f"{count} images need {count} classes, not {tuple(classes.shape)}")
    outside = classes[(classes < 0) | (classes >= outputs)].tolist()
    if outside:
        raise ShapeError(f"classes must be in 0..{outputs - 1}, not {outside[:8]}")
