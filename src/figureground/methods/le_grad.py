"""LeGrad: how the class score of each block's tokens changes with the attention in that block."""

__all__ = ["LeGrad", "le_grad"]

from collections.abc import Mapping

import torch
from torch import Tensor

from figureground.base.shapes import MapsPerClass
from figureground.capture.attention import Rows
from figureground.capture.attention_calls import AttentionCall
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS


def le_grad(gradients: Mapping[AttentionCall, Tensor]) -> Rows:
    """How much more attention to each token would raise the class scores of the blocks.

    The score ``s_l`` of a block is what the final norm and the head of the network make of the mean of all tokens that
    the block gives. The map is the mean over blocks, heads and asking tokens of ``(∂s_l/∂A_l)⁺``; the attention
    itself is not multiplied in.

    Args:
        gradients: Call of each block -> gradient of that block's own score with respect to its output.

    Returns:
        ``(N, tokens)`` float32, at least 0.

    References:
        Bousselham et al. (2025), section 3, arXiv 2404.03214.

    *Differs:* all blocks count alike, where the authors' code takes the last two and sums; where a query pools the
    tokens of the last block, its own attention does not count.
    """
    rows = [
        call.weight_gradient(gradient).clamp_min(0).mean((1, 2))
        for call, gradient in gradients.items()
    ]
    return torch.stack(rows).mean(0)


class LeGrad(CamMethod):
    """LeGrad over all blocks of a transformer (Bousselham et al. 2025)."""

    entry = METHODS["le-grad"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, at least 0; what class and register tokens got is left out."""
        attention = inputs.attention
        assert attention is not None  # noqa: S101 - the explainer gives what `needs` lists
        rows = [le_grad(gradients) for gradients in attention.block_gradients(inputs.directions)]
        return torch.stack([attention.to_map(row) for row in rows], 1)
