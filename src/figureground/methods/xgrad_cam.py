"""XGrad-CAM: channel weights that satisfy sensitivity and conservation as far as channel weights can."""

__all__ = ["XGradCAM", "xgrad_cam"]

import torch

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def xgrad_cam(activations: Activations, gradients: Gradients) -> MapStack:
    """Where features that raise the class score are present, each channel scaled by gradient times activation.

    ``ReLU(Σ_k w_k · A_k)``, ``w_k = Σ_ij g⊙A_k / Σ_ij A_k``. Range [0, ∞). A gradient that is the same
    at every position gives back that gradient, so behind average pooling and a linear head it equals
    Grad-CAM.

    *Differs:* channels whose activations sum to zero get weight 0 instead of a stabiliser in the denominator.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.

    Returns:
        Raw maps ``(..., h, w)``.

    References:
        Fu et al. (2020), equation 8, arXiv 2008.02312.
    """
    total = activations.sum((-2, -1), keepdim=True)
    if gradients.shape[-2:] == (1, 1):
        weights = torch.where(total == 0, 0, gradients)
    else:
        product = (gradients * activations).sum((-2, -1), keepdim=True)
        weights = torch.where(total == 0, 0, product / torch.where(total == 0, 1, total))
    return channel_sum(weights, activations).relu()


class XGradCAM(CamMethod):
    """XGrad-CAM of the last feature map (Fu et al. 2020)."""

    entry = METHODS["xgrad-cam"]
    adds_channels = True

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        return xgrad_cam(*inputs.per_class)
