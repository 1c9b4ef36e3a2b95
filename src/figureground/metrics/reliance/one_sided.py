"""One half of an image at a time. Each has a control; none decides by itself."""

__all__ = ["only_background", "relative_foreground_sensitivity"]

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.seeds import generator
from figureground.base.shapes import Images, Labels, Logits
from figureground.metrics.intervals import Interval, bootstrap_interval

_SIGMA = 0.25


@checked
def only_background(logits: Logits, labels: Labels, *, seed: int) -> Interval:
    """Accuracy on images without their objects, less that of the commonest answer.

    Args:
        logits: ``(N, K)`` of images whose object was filled (``background_of``).
        labels: Class of each image.
        seed: Of the interval.

    Returns:
        The excess over chance, in [-1, 1]. Chance is the largest share of one class among the labels.

    Raises:
        ShapeError: The numbers of images differ, or there is none.

    References:
        Xiao et al. (2021), arXiv 2006.09994, Only-BG.

    Examples:
        >>> only_background(torch.eye(2).repeat(5, 1), torch.tensor([0, 1] * 5), seed=0).mean
        0.5
    """
    if len(logits) != len(labels) or not len(labels):
        raise ShapeError(f"{len(logits)} rows of logits for {len(labels)} labels")
    chance = float(torch.bincount(labels).max()) / len(labels)
    return bootstrap_interval((logits.argmax(1) == labels).double() - chance, seed=seed)


@checked
def relative_foreground_sensitivity(
    score: Callable[[Tensor], Tensor],
    images: Images,
    *,
    masks: Bool[Tensor, "N H W"],
    labels: Labels,
    seed: int,
    trials: int = 3,
) -> float:
    """Whether noise on the object costs more accuracy than noise on the background.

    Depends on the area of the object and on how sensitive the network is to noise at all: networks that ignore
    backgrounds and networks that use nothing else had the same value in our tests. For comparison with other work only.

    Args:
        score: Images to logits ``(N, K)``.
        images: ``(N, C, H, W)`` in [0, 1].
        masks: True on the object.
        labels: Class of each image.
        seed: Of the noise.
        trials: How often noise is drawn; accuracies are averaged.

    Returns:
        In [-1, 1]; positive where the object matters more; 0 where noise changes nothing or leaves nothing.

    Raises:
        ShapeError: The sizes differ.
        OptionError: No trial.

    References:
        Moayeri, Pope, Balaji, Feizi (2022). A comprehensive study of image classification model sensitivity to
        foregrounds, backgrounds, and visual attributes. CVPR, arXiv 2201.10766.
    """
    if masks.shape != (len(images), *images.shape[2:]) or len(labels) != len(images):
        raise ShapeError(f"masks {tuple(masks.shape)} do not fit images {tuple(images.shape)}")
    if trials < 1:
        raise OptionError(f"trials must be positive, got {trials}")
    source = generator(seed)
    on_object: list[float] = []
    beside: list[float] = []
    for _ in range(trials):
        noise = torch.randn(images.shape, generator=source).to(images) * _SIGMA
        for where, kept in ((masks, on_object), (~masks, beside)):
            noisy = (images + noise * where[:, None]).clamp(0, 1)
            kept.append(_class_accuracy(score(noisy).argmax(1).cpu(), labels.cpu()))
    foreground, background = sum(on_object) / trials, sum(beside) / trials
    middle = (foreground + background) / 2
    if middle in {0.0, 1.0}:
        return 0.0
    return (background - foreground) / (2 * min(middle, 1 - middle))


def _class_accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Accuracy averaged over classes."""
    right = (predicted == labels).double()
    return float(torch.stack([right[labels == one].mean() for one in torch.unique(labels)]).mean())
