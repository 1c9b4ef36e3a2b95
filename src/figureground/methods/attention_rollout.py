"""Attention rollout: attention of all blocks multiplied, half of it passing each block by."""

__all__ = ["AttentionRollout", "attention_rollout"]

from figureground.base.shapes import MapsPerClass
from figureground.capture.attention import Attention, Rows
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS


def attention_rollout(attention: Attention) -> Rows:
    """How much of each token arrives where the head reads, if attention were all that mixes tokens.

    The row of ``Π_l (½ mean_h A_l + ½ I)`` that the head reads, from the last block to the first, as a row times a
    matrix for each block. It does not know the class. Each row of the product sums to 1.

    Args:
        attention: That of one run.

    Returns:
        ``(N, tokens)`` float32, at least 0, summing to 1.

    References:
        Abnar & Zuidema (2020), section 3, arXiv 2005.00928.

    *Differs:* no attention is discarded (a widespread implementation sets the smallest 90 % of it to zero).
    """
    row = attention.start()
    for call in reversed(attention.calls):
        row = (row + (row[:, None] @ call.weights().mean(1))[:, 0]) / 2
    return row


class AttentionRollout(CamMethod):
    """Attention rollout through all blocks of a transformer (Abnar & Zuidema 2020)."""

    entry = METHODS["attention-rollout"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, 1, h, w)``, at least 0; what class and register tokens got is left out."""
        assert inputs.attention is not None  # noqa: S101 - the explainer gives what `needs` lists
        return inputs.attention.to_map(attention_rollout(inputs.attention))[:, None]
