"""Gradient-weighted attention: attention that the class score grows with, followed through all blocks."""

__all__ = ["AttentionGradient", "attention_gradient"]

from collections.abc import Mapping

import torch
from torch import Tensor

from figureground.base.shapes import MapsPerClass
from figureground.capture.attention import Attention, Rows
from figureground.capture.attention_calls import AttentionCall
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS


def attention_gradient(attention: Attention, gradients: Mapping[AttentionCall, Tensor]) -> Rows:
    """How much each token adds to a class score through the attention of all blocks.

    ``Ā_l = mean_h (∇A_l ⊙ A_l)⁺`` and ``R ← R + Ā_l R`` from ``R = I``; the row of R that the head reads, made as a
    row times a matrix for each block, from the last to the first.

    Args:
        attention: That of one run.
        gradients: Call -> gradient of one class score with respect to its output.

    Returns:
        ``(N, tokens)`` float32, at least 0.

    References:
        Chefer, Gur & Wolf (2021), equations 5 and 6 as the authors' code numbers them, arXiv 2103.15679.

    *Differs:* where the head reads several tokens, their rows are averaged, and the ``I`` of the beginning is left out:
    of tokens that are averaged it is the same for all and would swamp the rest. Where a call with one query pools them,
    its own row is the beginning. For the class token, which the paper has, all this changes nothing on the image.
    """

    def gained(call: AttentionCall) -> Tensor:
        return (call.weight_gradient(gradients[call]) * call.weights()).clamp_min(0).mean(1)

    row = attention.start(gained)
    arrived = torch.zeros_like(row) if attention.pooling is None else row
    for call in reversed(attention.calls):
        more = (row[:, None] @ gained(call))[:, 0]
        row, arrived = row + more, arrived + more
    return arrived


class AttentionGradient(CamMethod):
    """Gradient-weighted attention through all blocks of a transformer (Chefer, Gur & Wolf 2021)."""

    entry = METHODS["attention-gradient"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, at least 0; what class and register tokens got is left out."""
        attention = inputs.attention
        assert attention is not None  # noqa: S101 - the explainer gives what `needs` lists
        rows = [
            attention_gradient(attention, gradients)
            for gradients in attention.gradients(inputs.directions)
        ]
        return torch.stack([attention.to_map(row) for row in rows], 1)
