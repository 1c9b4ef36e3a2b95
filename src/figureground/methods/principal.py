"""First principal component of a feature map's positions, with a sign that is the same on every machine."""

__all__ = ["Sign", "principal_evidence", "principal_projection"]

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from figureground.base.shapes import MapStack

Sign = Literal["rule", "raw"]


def principal_projection(
    features: Tensor, *, center: bool = False, sign: Sign = "rule"
) -> MapStack:
    """Project every position's feature vector on the direction in which positions vary (or weigh) most.

    With ``O`` the ``(h·w, C)`` matrix of one image: ``O v₁ = σ₁ u₁``. Computed in float64 from the eigenvectors of the
    smaller of ``OOᵀ`` and ``OᵀO``, for all images at once.

    The sign rule makes the result independent of the linear-algebra library: uncentred, the projection
    sums to something ≥ 0 (for activations without negative values it then has no negative value, by
    Perron and Frobenius); centred, the value that is largest in size is positive. If the two largest
    singular values are equal the direction is not defined.

    Args:
        features: ``(..., C, h, w)``.
        center: Subtract each channel's mean over the positions first.
        sign: ``rule`` as above; ``raw`` keeps what numpy's SVD happens to give, for comparison with libraries that do.

    Returns:
        ``(..., h, w)`` in the features' type; zero where the features are, NaN for maps with a value that is not
        finite.
    """
    matrix = features.double().flatten(-2)  # (..., C, P)
    sick = ~matrix.isfinite().all(-1).all(-1)
    matrix = matrix.masked_fill(
        sick[..., None, None], 0
    )  # an eigensolver stops at the first of them
    if center:
        matrix = matrix - matrix.mean(-1, keepdim=True)
    projection = (
        _raw_sign(matrix) if sign == "raw" else _fixed_sign(_project(matrix), center=center)
    )
    projection = projection.masked_fill(sick[..., None], torch.nan)
    return projection.reshape(features.shape[:-3] + features.shape[-2:]).to(features.dtype)


def principal_evidence(evidence: Tensor, *, center: bool = True) -> MapStack:
    """The first principal component of what channels say for a class, with the sign of what they say together.

    Args:
        evidence: ``(..., C, h, w)``, whose sum over the channels is a map of the class.
        center: Subtract each channel's mean over the positions first.

    Returns:
        ``(..., h, w)``, signed: its product with the sum over the channels adds up to something ≥ 0.
    """
    projection = principal_projection(evidence, center=center)
    agreement = (projection * evidence.sum(-3)).sum((-2, -1), keepdim=True)
    return torch.where(agreement < 0, -projection, projection)


def _project(matrix: Tensor) -> Tensor:
    """``σ₁ u₁`` up to sign, ``(..., P)``, of ``(..., C, P)``."""
    channels, positions = matrix.shape[-2:]
    if positions <= channels:
        values, vectors = torch.linalg.eigh(matrix.mT @ matrix)
        return vectors[..., -1] * values[..., -1:].clamp_min(0).sqrt()
    _, vectors = torch.linalg.eigh(matrix @ matrix.mT)
    return (vectors[..., -1][..., None, :] @ matrix)[..., 0, :]


def _fixed_sign(projection: Tensor, *, center: bool) -> Tensor:
    """The same projection with the sign that the rule asks for."""
    centred = projection.amin(-1).abs() > projection.amax(-1).abs()
    flip = centred if center else projection.sum(-1) < 0
    return torch.where(flip[..., None], -projection, projection)


def _raw_sign(matrix: Tensor) -> Tensor:
    """The projection with the sign of numpy's SVD of the ``(P, C)`` matrix."""
    array = matrix.mT.cpu().numpy()
    _, _, right = np.linalg.svd(array, full_matrices=False)
    projection = np.einsum("...pc,...c->...p", array, right[..., 0, :])
    return torch.from_numpy(projection).to(matrix.device)
