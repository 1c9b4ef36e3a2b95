"""Grad-CAM++: positive gradients, weighted so that every instance of a class counts."""

__all__ = ["GradCAMPlusPlus", "grad_cam_plus_plus"]

import torch

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def grad_cam_plus_plus(activations: Activations, gradients: Gradients) -> MapStack:
    """Where features that raise the class score are present, several instances of the class alike.

    ``ReLU(Σ_k w_k · A_k)``, ``w_k = Σ_ij α_ij · ReLU(g_ij)``, ``α = g² / (2g² + ΣA_k · g³)``. Range [0, ∞).

    *Differs:* α is computed as ``1 / (2 + ΣA_k · g)``, which is the same number where g ≠ 0 and does
    not lose itself in a stabiliser when gradients are small (behind average pooling g² is about 1e-7).
    Where g = 0 the term is 0 through ReLU(g). The paper differentiates exp(score), which multiplies all
    weights of one image by the same positive factor: left out. With negative activations the
    denominator may vanish; such terms are 0.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.

    Returns:
        Raw maps ``(..., h, w)``.

    References:
        Chattopadhay et al. (2018), equations 5, 10 and 19, arXiv 1710.11063.
    """
    h, w = activations.shape[-2:]
    denominator = 2 + activations.sum((-2, -1), keepdim=True) * gradients
    alpha = torch.where(denominator == 0, 0, 1 / denominator)
    # the mean times h·w, not the sum: gradients may come with a single position that stands for all
    weights = (alpha * gradients.relu()).mean((-2, -1), keepdim=True) * (h * w)
    return channel_sum(weights, activations).relu()


class GradCAMPlusPlus(CamMethod):
    """Grad-CAM++ of the last feature map (Chattopadhay et al. 2018)."""

    entry = METHODS["grad-cam++"]
    adds_channels = True

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        return grad_cam_plus_plus(*inputs.per_class)
