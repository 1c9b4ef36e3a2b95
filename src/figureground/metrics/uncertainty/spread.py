"""How much of the image a map covers: area and entropy."""

__all__ = ["cam_area", "cam_entropy"]

import math

import torch

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.shapes import Maps
from figureground.maps.post_processing import normalise
from figureground.metrics.faithfulness.relevance import is_blank
from figureground.metrics.faithfulness.scoring import PerImage


@checked
def cam_area(maps: Maps, *, threshold_fraction: float = 0.5) -> PerImage:
    """Share of the positions at or above a fraction of the map's range; by default, half maximum.

    A definition of ours: the papers that speak of a large or diffuse map give no formula.

    Args:
        maps: ``(N, h, w)``, any scale.
        threshold_fraction: Between 0 and 1, of the way from the lowest to the highest value.

    Returns:
        ``(N,)`` in (0, 1]: small is concentrated. NaN for a blank map.

    Raises:
        OptionError: The fraction is outside [0, 1].

    Examples:
        >>> cam_area(torch.tensor([[[0.0, 1.0], [5.0, 8.0]]])).tolist()
        [0.5]
    """
    if not 0 <= threshold_fraction <= 1:
        raise OptionError(f"threshold_fraction must be in [0, 1], not {threshold_fraction}")
    inside = normalise(maps.float(), on_blank="zeros") >= threshold_fraction
    return inside.float().mean((1, 2)).masked_fill(is_blank(maps), torch.nan)


@checked
def cam_entropy(maps: Maps) -> PerImage:
    """Shannon entropy of the min-max normalised map read as a distribution, over its maximum.

    ``-sum p log p / log(h w)`` with p the normalised map over its sum. A definition of ours.

    Args:
        maps: ``(N, h, w)``, any scale; compare at one size only.

    Returns:
        ``(N,)`` in [0, 1]: 0 for a single lit position, 1 for an even spread. NaN for a blank map,
        whose minimum equals its maximum and leaves nothing to normalise.

    Examples:
        >>> cam_entropy(torch.tensor([[[0.0, 0.0], [0.0, 3.0]], [[0.0, 0.0], [3.0, 3.0]]])).tolist()
        [0.0, 0.5]
    """
    masses = normalise(maps.float(), on_blank="zeros").flatten(1)
    shares = masses / masses.sum(1, keepdim=True)
    entropy = torch.special.entr(shares).sum(1) / math.log(max(shares.shape[1], 2))
    return entropy.masked_fill(is_blank(maps), torch.nan)
