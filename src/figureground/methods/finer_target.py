"""What tells a class from those that the network takes it for: a target that every method can have."""

__all__ = ["Finer", "finer"]

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.shapes import Logits

Weights = Literal["probability", "mean"]


@dataclass(frozen=True, eq=False)
class Finer:
    """What ``finer`` was asked for; resolved when the logits of the images are known.

    Args:
        classes: The classes that are explained, in any way that numbers or names can be given.
        against: The classes that they are told from; None takes the nearest.
        count: How many are taken, where they are not given.
        alpha: How much of the others' logits is taken off.
        weights: How the others share it.
    """

    classes: Any = None
    against: Any = None
    count: int = 3
    alpha: float = 1.0
    weights: Weights = "probability"

    def directions(
        self, logits: Logits, classes: Int[Tensor, "#N K"], against: Int[Tensor, "#N R"] | None
    ) -> Float[Tensor, "N K L"]:
        """The weights of the logits, fixed where the logits are these.

        Args:
            logits: ``(N, L)``, of the images as they are.
            classes: ``(N, K)`` or ``(1, K)`` numbers of the classes that are explained.
            against: Those of the classes that they are told from; None takes the nearest.

        Returns:
            ``(N, K, L)``: 1 for the class, minus shares of alpha for the others.

        Raises:
            OptionError: There is one logit alone, or a class is told from itself.
        """
        if logits.shape[1] < 2:
            raise OptionError("the model has one logit: there is no other class to tell it from")
        scores, own = logits.detach().float(), classes.expand(len(logits), -1)
        others = _nearest(scores, own, self.count) if against is None else against[:, None]
        others = others.expand(*own.shape, -1)
        if bool((others == own[..., None]).any()):
            raise OptionError("a class cannot be told from itself; leave it out of 'against'")
        shares = torch.full(others.shape, 1 / others.shape[2], device=scores.device)
        if self.weights == "probability":
            shares = scores[:, None].expand(-1, own.shape[1], -1).gather(2, others).softmax(2)
        found = scores.new_zeros(*own.shape, scores.shape[1])
        found.scatter_add_(2, others, -self.alpha * shares)
        return found.scatter_add_(2, own[..., None], torch.ones_like(found))


@checked
def finer(
    classes: object = None,
    *,
    against: object = None,
    count: int = 3,
    alpha: float = 1.0,
    weights: str = "probability",
) -> Finer:
    """A target for ``Explainer``: the class less those that it is nearly taken for, ``y_c - alpha * sum_d p_d y_d``.

    The others and their shares are those at the images as they are, also where a method asks for scores of changed maps
    or images; then it is a linear function of the logits, and no method takes longer for it. With ``alpha=0``
    it is the class itself.

    Args:
        classes: The classes to explain, as an explainer takes them: None for the predicted one, ``"top3"``, numbers,
            names, or a tensor per image.
        against: Numbers or names of the classes to tell them from; None takes those with the nearest logits.
        count: How many of the nearest; all others where there are fewer.
        alpha: How much of the others' logits is taken off; 0 or more.
        weights: ``probability``: the others share it as the softmax of their logits does; ``mean``: equally.

    Returns:
        The target: ``explainer(images, finer("sparrow"), "grad-cam")``.

    Raises:
        OptionError: An option outside its range.

    References:
        Zhang et al. (2025). Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation. CVPR,
        arXiv:2501.11309.

        *Differs:* the authors' code also differentiates the shares, so that an unlikely class can be added where the
        definition takes it off.

    Examples:
        >>> target = finer(0, count=2, weights="mean")
        >>> logits = torch.tensor([[5.0, 4.0, -9.0, 7.0]])
        >>> target.directions(logits, torch.tensor([[0]]), None).tolist()
        [[[1.0, -0.5, 0.0, -0.5]]]
    """
    if count < 1 or alpha < 0:
        raise OptionError(f"count is 1 or more and alpha 0 or more, not {count} and {alpha}")
    if weights not in get_args(Weights):
        raise OptionError(f"weights are probability or mean, not '{weights}'")
    return Finer(classes, against, count, alpha, weights)  # type: ignore[arg-type]  # checked above


def _nearest(scores: Logits, own: Int[Tensor, "N K"], count: int) -> Int[Tensor, "N K R"]:
    """The classes with the nearest logits, the nearest first, of equals the lower number."""
    gaps = (scores[:, None] - scores.gather(1, own)[..., None]).abs()
    order = gaps.scatter(2, own[..., None], -1.0).argsort(stable=True)  # itself comes first
    return order[..., 1 : count + 1]
