"""Eigen-Grad-CAM: the first principal component of gradient times activation."""

__all__ = ["EigenGradCAM", "eigen_grad_cam"]

from dataclasses import dataclass
from typing import ClassVar

from figureground.base.paper import Paper
from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, Need
from figureground.methods.principal import Sign, principal_projection


def eigen_grad_cam(
    activations: Activations, gradients: Gradients, *, center: bool = True, sign: Sign = "rule"
) -> MapStack:
    """Where the dominant pattern of the class evidence is present: Eigen-CAM made class-specific.

    First principal component of ``g ⊙ A`` over the positions, with the sign rule of ``principal_projection``.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.
        center: Subtract each channel's mean first, as the library that introduced it does.
        sign: ``rule``, or ``raw`` for what numpy's SVD happens to give.

    Returns:
        Raw maps ``(..., h, w)``, signed when centred.

    References:
        Known from the pytorch-grad-cam library (Gildenblat et al. 2021), not from a paper.
    """
    return principal_projection(gradients * activations, center=center, sign=sign)


@dataclass(frozen=True)
class EigenGradCAM(CamMethod):
    """Eigen-Grad-CAM.

    Args:
        center: Subtract channel means first.
        sign: ``rule`` or ``raw``.
    """

    center: bool = True
    sign: Sign = "rule"

    name: ClassVar[str] = "eigen-grad-cam"
    title: ClassVar[str] = "Eigen-Grad-CAM"
    paper: ClassVar[Paper] = Paper(
        "Gildenblat et al.",
        "PyTorch library for CAM methods",
        2021,
        "github.com/jacobgil/pytorch-grad-cam",
    )
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``."""
        return eigen_grad_cam(*inputs.per_class, center=self.center, sign=self.sign)
