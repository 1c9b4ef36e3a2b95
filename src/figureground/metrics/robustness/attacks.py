"""Attacks in one call: ``attack(score, images, labels, ...) -> images``, all in [0, 1]."""

__all__ = ["ATTACKS", "Attack", "fgsm", "gaussian_noise", "pgd", "uniform_noise"]

from collections.abc import Callable

import torch
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.base.shapes import Images, Labels
from figureground.metrics.faithfulness.scoring import Score
from figureground.metrics.robustness.deepfool import deepfool
from figureground.metrics.robustness.gradients import check_labels, differentiable, loss_gradient

Attack = Callable[..., Tensor]
"""``(score, images, labels)`` -> images. Any callable of this form is an attack."""


@checked
def fgsm(score: Score, images: Images, labels: Labels, *, epsilon: float = 8 / 255) -> Images:
    """One step of ``epsilon`` per pixel along the sign of the loss's gradient, clipped to [0, 1].

    The loss is the cross-entropy of ``labels``. Parameters keep their ``.grad``; works under
    ``torch.inference_mode`` too.

    Args:
        score: Images -> logits ``(N, L)``, differentiable, in evaluation mode.
        images: ``(N, C, H, W)`` in [0, 1]. Not changed.
        labels: ``(N,)``, the classes to lead away from.
        epsilon: Largest change of a pixel value.

    Returns:
        Images of the same shape.

    Raises:
        OptionError: ``epsilon`` is negative.
        ModelError: ``score`` gives no gradient.

    References:
        Goodfellow et al. (2015), Explaining and harnessing adversarial examples, arXiv:1412.6572.

    Examples:
        >>> score = lambda x: torch.cat([x, 1 - x], 1).flatten(1)
        >>> image = torch.full((1, 1, 1, 1), 0.5)
        >>> fgsm(score, image, torch.tensor([0]), epsilon=0.25).item()
        0.25
    """
    _check_strength(epsilon)
    check_labels(images, labels)
    with differentiable():
        uphill = loss_gradient(score, images, labels).sign()
        return (images.detach() + epsilon * uphill).clamp(0, 1)


@checked
def pgd(
    score: Score,
    images: Images,
    labels: Labels,
    *,
    epsilon: float = 8 / 255,
    steps: int = 10,
    start: torch.Generator | int | None = None,
) -> Images:
    """Repeated steps of ``epsilon / 4``, each projected back onto the box of ``epsilon`` and [0, 1].

    Args:
        score: Images -> logits ``(N, L)``, differentiable, in evaluation mode.
        images: ``(N, C, H, W)`` in [0, 1]. Not changed.
        labels: ``(N,)``, the classes to lead away from.
        epsilon: Largest change of a pixel value.
        steps: How many.
        start: Generator or seed of a uniform random start; the image itself where omitted.

    Returns:
        Images of the same shape.

    Raises:
        OptionError: ``epsilon`` or ``steps`` is negative.
        ModelError: ``score`` gives no gradient.

    References:
        Madry et al. (2018), Towards deep learning models resistant to adversarial attacks,
        arXiv:1706.06083.
    """
    _check_strength(epsilon)
    _check_strength(float(steps))
    check_labels(images, labels)
    with differentiable():
        clean = images.detach().clone()
        low, high = (clean - epsilon).clamp_min(0), (clean + epsilon).clamp_max(1)
        found = clean
        if start is not None:
            found = clean + epsilon * (2 * _uniform(clean, start) - 1)
        for _ in range(steps):
            uphill = loss_gradient(score, found, labels).sign()
            found = (found + epsilon / 4 * uphill).clamp(low, high)
        return found.clamp(low, high)


@checked
def uniform_noise(
    score: Score,
    images: Images,
    labels: Labels,
    *,
    epsilon: float = 8 / 255,
    randomness: torch.Generator | int = 0,
) -> Images:
    """Noise drawn evenly from [-epsilon, epsilon], clipped to [0, 1]: the control of an attack.

    Args:
        score: Not asked.
        images: ``(N, C, H, W)`` in [0, 1]. Not changed.
        labels: Not asked.
        epsilon: Largest change of a pixel value.
        randomness: Generator, or a seed that makes equal calls equal.

    Returns:
        Images of the same shape.

    Raises:
        OptionError: ``epsilon`` is negative.
    """
    del score  # noise needs no classifier
    _check_strength(epsilon)
    check_labels(images, labels)
    return (images + epsilon * (2 * _uniform(images, randomness) - 1)).clamp(0, 1)


@checked
def gaussian_noise(
    score: Score,
    images: Images,
    labels: Labels,
    *,
    sigma: float = 8 / 255,
    randomness: torch.Generator | int = 0,
) -> Images:
    """Normal noise, clipped to [0, 1].

    Args:
        score: Not asked.
        images: ``(N, C, H, W)`` in [0, 1]. Not changed.
        labels: Not asked.
        sigma: Standard deviation before clipping, in pixel values.
        randomness: Generator, or a seed that makes equal calls equal.

    Returns:
        Images of the same shape.

    Raises:
        OptionError: ``sigma`` is negative.
    """
    del score  # noise needs no classifier
    _check_strength(sigma)
    check_labels(images, labels)
    source = _generator(randomness)
    noise = torch.randn(images.shape, generator=source, device=source.device)
    return (images + sigma * noise.to(images)).clamp(0, 1)


def _check_strength(value: float) -> None:
    if value < 0:
        raise OptionError(f"the strength and the steps of an attack must be >= 0, not {value}")


def _generator(randomness: torch.Generator | int) -> torch.Generator:
    return generator(randomness) if isinstance(randomness, int) else randomness


def _uniform(like: Tensor, randomness: torch.Generator | int) -> Tensor:
    """Numbers in [0, 1) in the shape of these images, drawn on the generator's device."""
    source = _generator(randomness)
    return torch.rand(like.shape, generator=source, device=source.device).to(like)


ATTACKS: dict[str, Attack] = {
    "fgsm": fgsm,
    "pgd": pgd,
    "deepfool": deepfool,
    "uniform-noise": uniform_noise,
    "gaussian-noise": gaussian_noise,
}
