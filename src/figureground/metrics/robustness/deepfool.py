"""DeepFool: nearly the smallest change of the pixels that changes the prediction."""

__all__ = ["LTS4", "DeepFoolOptions", "DeepFoolResult", "deepfool", "deepfool_trace"]

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.shapes import Images, Labels
from figureground.metrics.faithfulness.scoring import Score
from figureground.metrics.robustness.gradients import (
    check_labels,
    differentiable,
    input_with_output,
)

_BEYOND = 1e-4


@dataclass(frozen=True)
class DeepFoolOptions:
    """How far DeepFool looks and goes.

    Args:
        candidates: How many of the clean image's best classes are looked at, the first included.
        overshoot: The sum of all steps is lengthened by this share.
        max_iterations: Where to give up.
        clip: Keep every iterate in [0, 1].

    Raises:
        OptionError: Fewer than two candidates, or a negative number.
    """

    candidates: int = 10
    overshoot: float = 0.02
    max_iterations: int = 50
    clip: bool = True

    def __post_init__(self) -> None:
        if self.candidates < 2 or self.overshoot < 0 or self.max_iterations < 0:
            raise OptionError(f"candidates >= 2, overshoot and iterations >= 0 needed, not {self}")


LTS4 = DeepFoolOptions(clip=False)
"""The authors' code to the letter: pixels may leave [0, 1]."""


@dataclass(frozen=True)
class DeepFoolResult:
    """What was found and what it took.

    Args:
        images: ``(N, C, H, W)``.
        iterations: ``(N,)``; ``max_iterations`` where the prediction may still be the old one.
    """

    images: Images
    iterations: Int[Tensor, " N"]


@checked
def deepfool(
    score: Score,
    images: Images,
    labels: Labels,
    *,
    options: DeepFoolOptions = DeepFoolOptions(),
) -> Images:
    """Images whose prediction differs from the clean one, by a nearly minimal L2 change.

    See ``deepfool_trace``, which also tells the number of iterations.

    Args:
        score: Images -> logits ``(N, L)``, differentiable, in evaluation mode.
        images: ``(N, C, H, W)`` in [0, 1]. Not changed.
        labels: Only counted: what is left is the predicted class, right or wrong.
        options: How far to look and go.

    Returns:
        Images of the same shape.
    """
    check_labels(images, labels)
    return deepfool_trace(score, images, options=options).images


@checked
def deepfool_trace(
    score: Score,
    images: Images,
    *,
    options: DeepFoolOptions = DeepFoolOptions(),
) -> DeepFoolResult:
    """DeepFool for a whole batch; an image drops out of it as soon as its prediction changes.

    At every iterate the classifier is taken as linear. With f_k the logits less that of the clean
    prediction and w_k their gradients, the nearest candidate has the smallest ``|f_k| / ||w_k||``,
    and the step is ``(|f_k| / ||w_k|| + 1e-4) w_k / ||w_k||``. The iterate is the clean image plus
    ``1 + overshoot`` times the sum of the steps. Memory: gradients of all candidates of a batch.

    Args:
        score: Images -> logits ``(N, L)``, differentiable, in evaluation mode.
        images: ``(N, C, H, W)`` in [0, 1]. Not changed.
        options: How far to look and go.

    Returns:
        The images and the iterations that each took.

    Raises:
        ModelError: ``score`` gives no gradient.

    References:
        Moosavi-Dezfooli et al. (2016), DeepFool: a simple and accurate method to fool deep neural
        networks, alg. 2, arXiv:1511.04599; 1e-4 and the ten candidates are of the authors' code.
        *Differs:* iterates are clipped to [0, 1] unless ``options`` is ``LTS4``.

    Examples:
        >>> score = lambda x: torch.cat([2 * x, 1 - 2 * x], 1).flatten(1)  # boundary at 0.25
        >>> found = deepfool_trace(score, torch.full((1, 1, 1, 1), 0.5))
        >>> round(found.images.item(), 4), found.iterations.tolist()  # 0.5 - 1.02 * (0.25 + 1e-4)
        (0.2449, [1])
    """
    with differentiable():
        clean = images.detach().clone()
        with torch.no_grad():
            ranked = score(clean).argsort(1, descending=True)[:, : options.candidates]
        found, walked = clean.clone(), torch.zeros_like(clean)
        iterations = torch.zeros(len(clean), dtype=torch.long, device=clean.device)
        live = torch.arange(len(clean), device=clean.device)
        for _ in range(options.max_iterations):
            if not len(live):
                break
            walked[live] += _step(score, found[live], ranked[live])
            moved = clean[live] + (1 + options.overshoot) * walked[live]
            found[live] = moved.clamp(0, 1) if options.clip else moved
            iterations[live] += 1
            with torch.no_grad():
                predicted = score(found[live]).argmax(1)
            live = live[predicted == ranked[live, 0]]
    return DeepFoolResult(found, iterations)


def _step(score: Score, images: Tensor, ranked: Tensor) -> Tensor:
    """The way to the nearest boundary of the classifier linearised here."""
    leaf, logits = input_with_output(score, images)
    chosen = logits.gather(1, ranked)
    slopes = torch.stack(
        [torch.autograd.grad(one.sum(), leaf, retain_graph=True)[0] for one in chosen.unbind(1)], 1
    )
    normals = (slopes[:, 1:] - slopes[:, :1]).flatten(2)
    gaps = (chosen[:, 1:] - chosen[:, :1]).detach().abs()
    lengths = normals.norm(dim=2)
    # a candidate whose logit does not move with the pixels can never be reached
    distances = torch.where(lengths > 0, gaps / lengths, torch.inf)
    distance, nearest = distances.min(1)
    rows = torch.arange(len(images), device=images.device)
    unit = normals[rows, nearest] / lengths[rows, nearest, None]
    step = (distance[:, None] + _BEYOND) * unit
    return step.where(distance.isfinite()[:, None], 0).reshape(images.shape)
