"""Attention of the class token: where the last block of a transformer looks."""

__all__ = ["ClsAttention", "cls_attention"]

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.shapes import MapsPerClass
from figureground.capture.attention import Attention
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS


def cls_attention(attention: Attention) -> Float[Tensor, "N heads tokens"]:
    """How much each head of the last attention looks at each token, asked by what the head of the network reads.

    The class token asks where the logits are read of it; the class and the distillation token, half each, where they
    are read of both; all tokens that are averaged; or the query of a pooling attention. It does not know the class.

    Args:
        attention: That of one run.

    Returns:
        ``(N, heads, tokens)`` float32, at least 0; those of one head sum to 1.

    References:
        Caron et al. (2021), section 4.2 and figure 1, arXiv 2104.14294.
    """
    if attention.pooling is not None:
        return attention.pooling.weights()[:, :, 0]
    return torch.einsum("nq,nhqk->nhk", attention.start(), attention.calls[-1].weights())


@dataclass(frozen=True)
class ClsAttention(CamMethod):
    """Attention of the class token in the last block (Caron et al. 2021).

    Args:
        each_head: Whether each head has a map of its own; otherwise there is one, their mean.
    """

    each_head: bool = False

    entry = METHODS["cls-attention"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, 1, h, w)``, or ``(N, heads, h, w)``, at least 0; class and register tokens are left out."""
        assert inputs.attention is not None  # noqa: S101 - the explainer gives what `needs` lists
        rows = cls_attention(inputs.attention)
        rows = rows if self.each_head else rows.mean(1, keepdim=True)
        return torch.stack([inputs.attention.to_map(row) for row in rows.unbind(1)], 1)
