"""KPCA-CAM: the first kernel principal component of the feature map, no class and no gradient."""

__all__ = ["KPCACAM", "kpca_cam"]

import torch
from torch import Tensor

from figureground.base.errors import LayerError
from figureground.base.shapes import FeatureMaps, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS

_MOST_POSITIONS = 4096


def kpca_cam(activations: FeatureMaps) -> MapStack:
    """Where the dominant pattern of the features is present, by a curved measure of likeness.

    Positions ``x``, ``y``, as vectors of channels less their means, are alike by ``tanh(⟨x, y⟩ / C + 1)``. The map is
    ``√λ₁ u₁`` of that matrix, centred. Of its two signs the one whose largest value is positive, so that it may
    as well mark the background: neither the class nor the sign of a feature is in it.

    Args:
        activations: ``(N, C, h, w)`` with up to 4,096 positions.

    Returns:
        Raw maps ``(N, h, w)``, with values of both signs that sum to zero; NaN for an image with a value that is not
        finite.

    Raises:
        LayerError: There are more positions: the matrix has a row and a column for each.

    References:
        Karmani et al. (2024), arXiv 2410.00267; kernel PCA: Schölkopf, Smola & Müller (1998), Neural Computation 10(5).
    """
    positions = activations.shape[-2] * activations.shape[-1]
    if positions > _MOST_POSITIONS:
        raise LayerError(
            f"kpca-cam compares every position with every other; this layer has {positions} and {_MOST_POSITIONS} are "
            "the most: name a deeper layer, or use eigen-cam"
        )
    rows = activations.double().flatten(2).mT  # (N, P, C)
    return torch.stack([_component(one) for one in rows]).view_as(activations[:, 0]).float()


def _component(rows: Tensor) -> Tensor:
    """``√λ₁ u₁`` of one image's ``(P, C)``, as ``(P,)``."""
    if not bool(rows.isfinite().all()):
        return rows.new_full(rows.shape[:1], torch.nan)
    rows = rows - rows.mean(0)
    kernel = torch.tanh(rows @ rows.mT / rows.shape[1] + 1)
    means = kernel.mean(0)
    values, vectors = torch.linalg.eigh(kernel - means - means[:, None] + means.mean())
    found = vectors[:, -1] * values[-1].clamp_min(0).sqrt()
    return -found if bool(found.amin().abs() > found.amax()) else found


class KPCACAM(CamMethod):
    """KPCA-CAM (Karmani et al. 2024). Class-free: one map per image."""

    entry = METHODS["kpca-cam"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, 1, h, w)``."""
        return kpca_cam(inputs.activations)[:, None]
