"""Mean activation: the average of all channels, the baseline that a map must beat."""

__all__ = ["MeanActivation", "mean_activation"]

from figureground.base.shapes import Activations, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS


def mean_activation(activations: Activations) -> MapStack:
    """Where the layer is active at all: ``mean_k A_k``.

    Every channel counts alike, so that nothing of the classifier is in it. What a method finds beyond this map it
    owes to its weights.

    Args:
        activations: ``A``, ``(..., C, h, w)``.

    Returns:
        Raw maps ``(..., h, w)``, in units of the activations.

    References:
        Zagoruyko & Komodakis (2017), section 3.1, arXiv 1612.03928: there the sum of absolute values.

    Examples:
        >>> import torch
        >>> mean_activation(torch.tensor([[[1.0, 2.0]], [[3.0, 6.0]]])).tolist()
        [[2.0, 4.0]]
    """
    return activations.mean(-3)


class MeanActivation(CamMethod):
    """The mean over the channels. Class-free: one map per image."""

    entry = METHODS["mean-activation"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, 1, h, w)``."""
        return mean_activation(inputs.activations)[:, None]
