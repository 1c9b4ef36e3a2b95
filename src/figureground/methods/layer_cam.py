"""Layer-CAM: positive gradients weight each position of each channel."""

__all__ = ["LayerCAM", "layer_cam"]

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def layer_cam(activations: Activations, gradients: Gradients) -> MapStack:
    """Where features that raise the class score are present, sharp enough for shallow layers.

    ``ReLU(Σ_k ReLU(g_k) ⊙ A_k)``. Range [0, ∞). For activations without negative values it equals the element-wise form
    ``Σ_k ReLU(g_k ⊙ A_k)``.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.

    Returns:
        Raw maps ``(..., h, w)``. The paper's ``tanh(2·M/max M)`` for fusing shallow layers is not part of it.

    References:
        Jiang et al. (2021), equations 4 to 6, IEEE TIP 30.
    """
    return channel_sum(gradients.relu(), activations).relu()


class LayerCAM(CamMethod):
    """Layer-CAM (Jiang et al. 2021)."""

    entry = METHODS["layer-cam"]
    adds_channels = True

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        return layer_cam(*inputs.per_class)
