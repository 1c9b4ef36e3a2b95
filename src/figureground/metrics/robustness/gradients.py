"""Gradients with respect to pixels, in whatever mode the caller is."""

__all__ = ["check_labels", "differentiable", "input_with_output", "loss_gradient"]

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from figureground.base.errors import ModelError, ShapeError
from figureground.base.shapes import Images, Labels
from figureground.metrics.faithfulness.scoring import Score


@contextmanager
def differentiable() -> Iterator[None]:
    """Inside, graphs are recorded, also when the caller is in ``no_grad`` or ``inference_mode``.

    Yields:
        Nothing.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def input_with_output(score: Score, images: Images) -> tuple[Images, Float[Tensor, "N L"]]:
    """A fresh leaf with these pixels, and the logits that hang on it.

    Args:
        score: The classifier.
        images: ``(N, C, H, W)``.

    Returns:
        The leaf and its logits.

    Raises:
        ModelError: The logits do not depend on the pixels in a differentiable way.
    """
    # a clone: a tensor made under inference_mode can never require a gradient itself
    leaf = images.detach().clone().requires_grad_()
    logits = score(leaf)
    if not logits.requires_grad:
        raise ModelError(
            "score gives no gradient, which this attack needs; "
            "it must not detach, round or run under no_grad"
        )
    return leaf, logits


def loss_gradient(score: Score, images: Images, labels: Labels) -> Images:
    """Gradient of each image's own cross-entropy with respect to its pixels.

    Args:
        score: Images -> logits ``(N, L)``.
        images: ``(N, C, H, W)``.
        labels: ``(N,)``.

    Returns:
        ``(N, C, H, W)``.
    """
    leaf, logits = input_with_output(score, images)
    loss = cross_entropy(logits, labels.clone().long(), reduction="sum")
    # autograd.grad, not backward(): the parameters' .grad belongs to the caller
    return torch.autograd.grad(loss, leaf)[0]


def check_labels(images: Images, labels: Labels) -> None:
    """Refuse a wrong number of labels.

    Args:
        images: ``(N, C, H, W)``.
        labels: Should be ``(N,)``.

    Raises:
        ShapeError: They are not as many as the images.
    """
    if labels.shape != (len(images),):
        raise ShapeError(f"{len(images)} images need {len(images)} labels, not {len(labels)}")
