"""How far the terms that a class score is taken apart into add up to it."""

__all__ = ["MOST_MISSING", "Completeness"]

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

MOST_MISSING = 0.1
"""Part of a score from which on its terms do not explain it."""


@dataclass(frozen=True)
class Completeness:
    """Terms of class scores.

    Args:
        scores: ``(N, K)`` logits of the classes.
        input: ``(N, K)`` the input's term.
        biases: ``(N, K)`` the sum of the terms of all biases.
    """

    scores: Float[Tensor, "N K"]
    input: Float[Tensor, "N K"]
    biases: Float[Tensor, "N K"]

    @property
    def missing(self) -> Float[Tensor, "N K"]:
        """What the terms lack of the score, as a part of the largest of the three; 0 where they are complete."""
        parts = torch.stack([self.scores, self.input, self.biases]).abs().amax(0)
        lacking = (self.input + self.biases - self.scores).abs()
        return lacking / parts.clamp_min(torch.finfo(parts.dtype).tiny)
