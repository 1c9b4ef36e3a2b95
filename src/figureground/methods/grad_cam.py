"""Grad-CAM: channels weighted by their mean gradient."""

__all__ = ["GradCAM", "grad_cam"]

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def grad_cam(activations: Activations, gradients: Gradients) -> MapStack:
    """Where the features that raise the class score are present.

    ``ReLU(Σ_k mean_ij(g_k) · A_k)`` with ``g = ∂(class logit)/∂A``. Range [0, ∞), in units of the logit
    per position. On a network with average pooling and a linear head it is CAM over the number of
    positions, less CAM's negative part.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g``, the same shape, or ``(..., C, 1, 1)`` where equal at every position.

    Returns:
        Raw maps ``(..., h, w)``.

    References:
        Selvaraju et al. (2017), equations 1 and 2, arXiv 1610.02391.

    Examples:
        >>> import torch
        >>> a = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])  # two channels, 1×2 positions
        >>> grad_cam(a, torch.tensor([2.0, -1.0])[:, None, None]).tolist()
        [[2.0, 0.0]]
    """
    weights = gradients.mean((-2, -1), keepdim=True)
    return channel_sum(weights, activations).relu()


class GradCAM(CamMethod):
    """Grad-CAM of the last feature map (Selvaraju et al. 2017)."""

    entry = METHODS["grad-cam"]
    adds_channels = True

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        return grad_cam(*inputs.per_class)
