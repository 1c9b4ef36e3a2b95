"""Conditional mutual information of image and prediction, given the class."""

__all__ = ["cmi"]

from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.shapes import Labels, Logits
from figureground.metrics.information.sums import class_sums


@checked
def cmi(
    logits: Logits, labels: Labels, *, temperature: float = 1.0, prior: str = "empirical"
) -> Float[Tensor, ""]:
    """I(X; Ŷ | Y), the mean of ``ClassSums.cmi_per_class`` over the classes that have images, in nats.

    Gradients reach the logits; they are those with the centroids held fixed, since q_y is where the mean KL is
    smallest.

    Args:
        logits: ``(N, C)``.
        labels: ``(N,)``, from 0 to C - 1.
        temperature: Logits are divided by it.
        prior: Weight of each class: its share of the images, or ``uniform``.

    Returns:
        From 0 to log C, float64. Neither end is good by itself: low is concentrated, high is rich in detail. NaN where
        a logit is.

    Raises:
        OptionError: The temperature is not positive, or another prior.
        ShapeError: No images, or labels that do not fit.

    References:
        Yang et al. (2023). Conditional mutual information constrained deep learning for classification,
        arXiv:2309.09123. Ye et al. (2024). Bayes conditional distribution estimation for knowledge distillation based
        on conditional mutual information, ICLR, arXiv:2401.08732.

    Examples:
        >>> import torch
        >>> sure = torch.tensor([[99.0, 0.0], [0.0, 99.0], [0.0, 99.0]])
        >>> round(cmi(sure, torch.tensor([0, 0, 1])).item(), 4)
        0.4621
    """
    sums = class_sums(logits, labels, temperature=temperature)
    return (sums.weights(prior) * sums.held(sums.cmi_per_class)).sum()
