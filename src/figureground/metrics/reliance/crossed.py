"""Composites of tensors in memory, a batch at a time, through any network."""

__all__ = ["crossed_scores"]

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import Images
from figureground.metrics.reliance.composites import composite
from figureground.metrics.reliance.pairs import Pairs


@checked
def crossed_scores(
    score: Callable[[Tensor], Tensor],
    images: Images,
    *,
    masks: Bool[Tensor, "N H W"] | Float[Tensor, "N H W"],
    backgrounds: Images,
    pairs: Pairs,
    batch_size: int = 128,
) -> Float[Tensor, "P K"]:
    """What a network says of every composite; no more than one batch of them exists at a time.

    Args:
        score: Images to logits ``(n, K)``.
        images: ``(N, C, H, W)``.
        masks: Foregrounds.
        backgrounds: The images without their objects.
        pairs: P of them.
        batch_size: Composites at a time.

    Returns:
        Logits, on the CPU.

    Raises:
        ShapeError: The sizes differ.
        OptionError: The batch size is not positive.
    """
    if batch_size < 1:
        raise OptionError(f"batch_size must be positive, got {batch_size}")
    if images.shape != backgrounds.shape or len(pairs) == 0:
        raise ShapeError("images and backgrounds must have one shape, and there must be a pair")
    parts = []
    rows = torch.stack([pairs.foreground, pairs.background])
    for front, back in torch.split(rows, batch_size, dim=1):
        made = composite(images[front], masks[front], backgrounds[back])
        parts.append(score(made).detach().float().cpu())
    return torch.cat(parts)
