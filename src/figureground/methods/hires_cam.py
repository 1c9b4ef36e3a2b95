"""HiRes-CAM: gradient times activation, position by position."""

__all__ = ["HiResCAM", "hires_cam"]

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def hires_cam(activations: Activations, gradients: Gradients) -> MapStack:
    """How much each position adds to the class score, to first order.

    ``Σ_k g_k ⊙ A_k``, signed: negative positions speak against the class. For a network that is linear
    above the layer the map sums to the logit less the bias.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.

    Returns:
        Raw maps ``(..., h, w)``; no ReLU, as in the paper (many libraries clip at zero).

    References:
        Draelos & Carin (2020), equation 6, arXiv 2011.08891.

    Examples:
        >>> import torch
        >>> a = torch.tensor([[[1.0, 2.0]]])  # one channel, 1×2 positions
        >>> hires_cam(a, torch.tensor([[[3.0, -1.0]]])).tolist()
        [[3.0, -2.0]]
    """
    return channel_sum(gradients, activations)


class HiResCAM(CamMethod):
    """HiRes-CAM of the last feature map (Draelos & Carin 2020)."""

    entry = METHODS["hires-cam"]
    adds_channels = True

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, signed."""
        return hires_cam(*inputs.per_class)
