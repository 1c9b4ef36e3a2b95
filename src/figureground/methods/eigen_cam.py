"""Eigen-CAM: the first principal component of the feature map, no class and no gradient."""

__all__ = ["EigenCAM", "eigen_cam"]

from dataclasses import dataclass

from figureground.base.shapes import Activations, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.principal import Sign, principal_projection
from figureground.methods.registry import METHODS


def eigen_cam(activations: Activations, *, center: bool = False, sign: Sign = "rule") -> MapStack:
    """Where the dominant pattern of the features is present, whatever the class.

    ``O v₁`` with ``O`` the positions × channels matrix and ``v₁`` its first right singular vector; equal to ``σ₁ u₁``.

    *Differs:* the paper says nothing of the sign; ours follows a rule (see ``principal_projection``),
    because what an SVD returns depends on the library that computes it. The paper does not centre; some
    libraries do: ``center=True``.

    Args:
        activations: ``(..., C, h, w)``.
        center: Subtract each channel's mean over the positions first.
        sign: ``rule``, or ``raw`` for what numpy's SVD happens to give.

    Returns:
        Raw maps ``(..., h, w)``; not negative for non-negative activations, uncentred.

    References:
        Muhammad & Yeasin (2020), equations 2 and 3, arXiv 2008.00299.

    Examples:
        >>> import torch
        >>> a = torch.tensor([3.0, 4.0])[:, None, None] * torch.tensor([[1.0, 2.0]])  # rank one
        >>> [[round(v, 4) for v in row] for row in eigen_cam(a).tolist()]
        [[5.0, 10.0]]
    """
    return principal_projection(activations, center=center, sign=sign)


@dataclass(frozen=True)
class EigenCAM(CamMethod):
    """Eigen-CAM (Muhammad & Yeasin 2020). Class-free: one map per image.

    Args:
        center: Subtract channel means first; the paper does not.
        sign: ``rule`` or ``raw``.
    """

    center: bool = False
    sign: Sign = "rule"

    entry = METHODS["eigen-cam"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, 1, h, w)``."""
        return eigen_cam(inputs.activations, center=self.center, sign=self.sign)[:, None]
