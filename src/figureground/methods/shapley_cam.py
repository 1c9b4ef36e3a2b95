"""Shapley-CAM: Grad-CAM whose weights allow for how the gradient changes on the way to nothing."""

__all__ = ["ShapleyCAM", "shapley_cam"]

from figureground.base.shapes import Activations, Gradients, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def shapley_cam(activations: Activations, gradients: Gradients, curvatures: Gradients) -> MapStack:
    """Where the features are present whose loss costs the class most, to second order.

    ``ReLU(Σ_k mean_ij(∇s - ½ H·A)_k · A_k)``, with ``s = y + log p`` (ReST) and ``H`` its Hessian with respect to the
    activations: channels' Shapley values by a second-order Taylor series. Where ``s`` is linear in the
    activations it is Grad-CAM of ``s``.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``∇s``, the same shape, or ``(..., C, 1, 1)`` where equal at every position.
        curvatures: ``H·A``, the same shape as the gradients.

    Returns:
        Raw maps ``(..., h, w)``, not negative.

    References:
        Cai (2025), CAMs as Shapley Value-based Explainers, arXiv 2501.06261.

    Examples:
        >>> import torch
        >>> a, one = torch.tensor([[[1.0, 2.0]]]), torch.ones(1, 1, 1)
        >>> shapley_cam(a, one, one).tolist()
        [[0.5, 1.0]]
    """
    weights = (gradients - curvatures / 2).mean((-2, -1), keepdim=True)
    return channel_sum(weights, activations).relu()


class ShapleyCAM(CamMethod):
    """Shapley-CAM (Cai 2025)."""

    entry = METHODS["shapley-cam"]
    adds_channels = True

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        found = inputs.derivatives
        assert found is not None  # noqa: S101 - the explainer gives what `needs` lists
        return shapley_cam(inputs.activations[:, None], found.gradients, found.curvatures)
