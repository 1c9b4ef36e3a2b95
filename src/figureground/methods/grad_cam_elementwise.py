"""Element-wise Grad-CAM: the positive part of gradient times activation, summed over channels."""

__all__ = ["GradCAMElementwise", "grad_cam_elementwise"]

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def grad_cam_elementwise(activations: Activations, gradients: Gradients) -> MapStack:
    """How much each position adds to the class score, counting only what adds.

    ``Σ_k ReLU(g_k ⊙ A_k)``. Range [0, ∞). Computed as ``ReLU(g)·ReLU(A) + ReLU(-g)·ReLU(-A)``, which is the same number
    and needs no product per class where the gradient is equal at every position.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.

    Returns:
        Raw maps ``(..., h, w)``.

    References:
        Known from the pytorch-grad-cam library (Gildenblat et al. 2021), not from a paper of its own;
        the sum before the ReLU is HiRes-CAM (arXiv 2011.08891).
    """
    both_positive = channel_sum(gradients.relu(), activations.relu())
    return both_positive + channel_sum((-gradients).relu(), (-activations).relu())


class GradCAMElementwise(CamMethod):
    """Element-wise Grad-CAM."""

    entry = METHODS["grad-cam-elementwise"]
    adds_channels = True

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        return grad_cam_elementwise(*inputs.per_class)
