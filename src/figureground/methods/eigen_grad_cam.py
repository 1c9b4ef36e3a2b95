"""Eigen-Grad-CAM: the first principal component of gradient times activation."""

__all__ = ["EigenGradCAM", "eigen_grad_cam"]

from dataclasses import dataclass

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.principal import Sign, principal_evidence, principal_projection
from figureground.methods.registry import METHODS


def eigen_grad_cam(
    activations: Activations, gradients: Gradients, *, center: bool = True, sign: Sign = "rule"
) -> MapStack:
    """Where the dominant pattern of the class evidence is present: Eigen-CAM made class-specific.

    First principal component of ``g ⊙ A`` over the positions. Its sign is the one that agrees with the evidence
    ``Σ_k g_k ⊙ A_k`` (their products sum to something ≥ 0), so that high values speak for the class: where most of what
    varies speaks against it, the sign that makes the largest value positive would show the map upside down.

    *Differs:* the library that introduced it leaves the sign to the SVD.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.
        center: Subtract each channel's mean first, as the library that introduced it does.
        sign: ``rule`` as above, or ``raw`` for what numpy's SVD happens to give.

    Returns:
        Raw maps ``(..., h, w)``, signed.

    References:
        Known from the pytorch-grad-cam library (Gildenblat et al. 2021), not from a paper.
    """
    product = gradients * activations
    if sign == "raw":
        return principal_projection(product, center=center, sign=sign)
    return principal_evidence(product, center=center)


@dataclass(frozen=True)
class EigenGradCAM(CamMethod):
    """Eigen-Grad-CAM.

    Args:
        center: Subtract channel means first.
        sign: ``rule`` or ``raw``.
    """

    center: bool = True
    sign: Sign = "rule"

    entry = METHODS["eigen-grad-cam"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``."""
        return eigen_grad_cam(*inputs.per_class, center=self.center, sign=self.sign)
