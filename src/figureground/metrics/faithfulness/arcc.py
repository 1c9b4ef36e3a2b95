"""ARCC: one number out of ROAD, coherency and complexity."""

__all__ = ["arcc"]

import torch

from figureground.base.checking import checked
from figureground.metrics.faithfulness.scoring import PerImage


@checked
def arcc(coherency: PerImage, complexity: PerImage, road: PerImage) -> PerImage:
    """ADCC with ROAD in the place of the average drop: the harmonic mean of three parts.

    ``3 / (1/coherency + 1/(1 - complexity) + 1/r)`` with ``r`` twice ROAD's combined score, cut to [0, 1].

    Args:
        coherency: ``(N,)`` in [0, 1], of ``coherency``.
        complexity: ``(N,)`` in [0, 1], of ``complexity``.
        road: ``(N,)`` in [-0.5, 0.5], ``RoadScores.combined``.

    Returns:
        ``(N,)`` in [0, 1], higher is better; 0 where a part is worst, NaN where one is.

    References:
        RefineCAM (2026), arXiv:2605.14641, as pytorch-grad-cam computes it.

    Examples:
        >>> arcc(torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([0.25])).tolist()
        [0.75]
    """
    parts = torch.stack([coherency, 1 - complexity, (2 * road).clamp(0, 1)])
    return 3 / (1 / parts.clamp_min(0)).sum(0)
