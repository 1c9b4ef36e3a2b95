"""How much maps of the same image differ: over flips, crops, dropout masks or training seeds."""

__all__ = ["cam_variation"]

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError
from figureground.metrics.faithfulness.scoring import PerImage


@checked
def cam_variation(maps: Float[Tensor, "R N h w"]) -> PerImage:
    """Mean over positions of the deviation between runs, over the mean of the maps.

    Every map is min-max normalised over the positions it has; at every position, the standard
    deviation (divided by R, not R - 1) and the mean over the runs that have it; the mean of the
    deviations over the mean of the means. A definition of ours, a coefficient of variation.

    Args:
        maps: ``(R, N, h, w)``, R aligned maps of every image; NaN where a run has no value, as
            outside the window of a crop.

    Returns:
        ``(N,)``, 0 when all runs agree, unbounded above. NaN where a run's map is blank or infinite.

    Raises:
        ShapeError: Fewer than two runs.

    Examples:
        >>> steady = torch.tensor([[0.0, 1.0]])
        >>> turned = torch.tensor([[1.0, 0.0]])
        >>> cam_variation(torch.stack([steady, 3 * steady])[:, None]).tolist()
        [0.0]
        >>> cam_variation(torch.stack([steady, turned])[:, None]).tolist()
        [1.0]
    """
    if len(maps) < 2:
        raise ShapeError(f"a variation needs at least two runs, got {len(maps)}")
    scaled, blank = _scaled(maps.float())
    seen = ~scaled.isnan()
    runs = seen.sum(0).clamp_min(1)
    mean = scaled.nansum(0) / runs
    deviation = ((scaled - mean).square().nansum(0) / runs).sqrt()
    # a position that no run has adds zero to both sums
    found = deviation.sum((1, 2)) / mean.sum((1, 2))
    return found.masked_fill(blank.any(0), torch.nan)


def _scaled(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Maps from 0 to 1 with their gaps left in place, and which of them ``(R, N)`` have nothing to scale."""
    gaps = maps.isnan()
    low = maps.masked_fill(gaps, torch.inf).amin((-2, -1), keepdim=True)
    high = maps.masked_fill(gaps, -torch.inf).amax((-2, -1), keepdim=True)
    rounding = 16 * torch.finfo(maps.dtype).eps * torch.maximum(low.abs(), high.abs())
    usable = low.isfinite() & high.isfinite() & (high - low > rounding)
    scaled = (maps - low) / torch.where(usable, high - low, 1)
    return scaled, ~usable[..., 0, 0]
