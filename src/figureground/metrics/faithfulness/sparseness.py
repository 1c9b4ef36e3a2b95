"""Sparseness: how few positions a map's values lie on."""

__all__ = ["sparseness"]

import torch

from figureground.base.checking import checked
from figureground.base.shapes import Maps
from figureground.metrics.faithfulness.relevance import is_blank
from figureground.metrics.faithfulness.scoring import PerImage


@checked
def sparseness(maps: Maps) -> PerImage:
    """Gini index of a map's absolute values.

    Unlike ``complexity`` it does not change when a map is multiplied by a number, and it looks at all values rather
    than at their mean over the largest.

    Args:
        maps: ``(N, h, w)``, at the size they shall be judged at.

    Returns:
        ``(N,)`` from 0 (the same everywhere) to ``1 - 1 / (h * w)`` (all in one position); higher is sparser. NaN for a
        blank map.

    References:
        Chalasani et al. (2020), Concise explanations of neural networks using adversarial training, ICML,
        arXiv:1810.06583.

    Examples:
        >>> sparseness(torch.tensor([[[0.0, 0.0], [0.0, 8.0]], [[1.0, -1.0], [1.0, 3.0]]])).tolist()
        [0.75, 0.25]
    """
    values = maps.detach().double().abs().flatten(1).sort(1).values
    count = values.shape[1]
    weights = 2 * torch.arange(1, count + 1, device=maps.device, dtype=torch.float64) - count - 1
    found = (values * weights).sum(1) / (count * values.sum(1))
    return found.masked_fill(is_blank(maps), torch.nan).float()
