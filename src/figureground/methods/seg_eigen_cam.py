"""Seg-Eigen-CAM: the first principal component of activations weighted by the size of the gradient."""

__all__ = ["SegEigenCAM", "seg_eigen_cam"]

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.principal import principal_projection
from figureground.methods.registry import METHODS


def seg_eigen_cam(activations: Activations, gradients: Gradients) -> MapStack:
    """Where the dominant pattern of the features that matter for the class is present.

    First principal component of ``|g| ⊙ A`` over the positions, each channel's mean subtracted first. Of its two signs
    the one whose largest value is positive. The size of the gradient says how much a feature matters, and not whether
    it speaks for the class or against it.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.

    Returns:
        Raw maps ``(..., h, w)``, with values of both signs that sum to zero.

    References:
        Chung & Ying (2025), equations 10 to 13, Applied Sciences 15(13).
    """
    return principal_projection(gradients.abs() * activations, center=True)


class SegEigenCAM(CamMethod):
    """Seg-Eigen-CAM (Chung & Ying 2025)."""

    entry = METHODS["seg-eigen-cam"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``."""
        return seg_eigen_cam(*inputs.per_class)
