"""FullGrad: gradient times input and gradient times bias, of all layers together."""

__all__ = ["FullGrad", "full_grad"]

import torch
import torch.nn.functional as F
from torch import Tensor

from figureground.base.shapes import Maps, MapsPerClass
from figureground.capture.biases import BiasGradients
from figureground.methods.completeness import Completeness
from figureground.methods.method import CamMethod, MethodInputs, MethodResult
from figureground.methods.registry import METHODS

_SMALL = 1e-6  # as in the authors' code: it decides where a layer's terms are all small


def full_grad(terms: BiasGradients) -> Maps:
    """Where the input and the biases of all layers make a class score.

    A logit of a network of convolutions, rectifiers and poolings is ``∇_x f · x + Σ_l Σ ∇_{b_l} f · b_l``. The map is
    ``ψ(∇_x f ⊙ x) + Σ_l Σ_c ψ(∇f ⊙ b)``: absolute values, of each layer and image stretched to [0, 1], summed over
    the channels and resized to the input. A batch norm's bias is ``β − μγ/√(σ² + ε)``. Those of linear layers, and of
    convolutions with one position (squeeze and excitation), have no place and are not in the map.

    Args:
        terms: Of one class.

    Returns:
        ``(N, H, W)`` float32 of the input's size, at least 0.

    References:
        Srinivas & Fleuret (2019), equations 2 and 6, arXiv 1905.00780; ψ and the resizing as in the authors' code.
    """
    size = (int(terms.input.shape[-2]), int(terms.input.shape[-1]))
    total = _drawn(terms.input * terms.input_gradient, size)
    for bias, gradient in terms.maps:
        if gradient[0, 0].numel() > 1:
            total = total + _drawn(gradient * bias[:, None, None], size)
    return total


class FullGrad(CamMethod):
    """FullGrad of all layers, at the resolution of the image (Srinivas & Fleuret 2019)."""

    entry = METHODS["full-grad"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, H, W)``, at least 0."""
        return self.result(inputs).maps

    def result(self, inputs: MethodInputs) -> MethodResult:
        """Raw maps ``(N, K, H, W)``, at least 0, and how far the terms add up to the scores.

        Args:
            inputs: What the run left.

        Returns:
            Maps and a ``Completeness``.
        """
        assert inputs.biases is not None  # noqa: S101 - the explainer gives what `needs` lists
        maps, sums = [], []
        for terms in inputs.biases.gradients(inputs.directions):
            maps.append(full_grad(terms))
            sums.append(terms.sums)
        drawn = torch.stack(maps, 1)
        size = inputs.images.shape[-2:]
        if drawn.shape[-2:] != size:  # the network pads, crops or resizes
            drawn = F.interpolate(drawn, size, mode="bilinear", align_corners=False)
        first, biases = (torch.stack(column, 1) for column in zip(*sums, strict=True))
        scores = inputs.directions.select(inputs.logits.detach())
        return MethodResult(drawn, Completeness(scores, first, biases))


def _drawn(terms: Tensor, size: tuple[int, int]) -> Tensor:
    """Absolute values of a layer ``(N, C, h, w)`` stretched to [0, 1], summed and resized: ``(N, H, W)``."""
    values = terms.abs()
    least = values.amin((1, 2, 3), keepdim=True)
    spread = values.amax((1, 2, 3), keepdim=True) - least + _SMALL
    # resizing is linear and keeps constants, so that one sum is resized in place of every channel
    summed = (values.sum(1, keepdim=True) - values.shape[1] * least) / spread
    return F.interpolate(summed, size, mode="bilinear", align_corners=True)[:, 0]
