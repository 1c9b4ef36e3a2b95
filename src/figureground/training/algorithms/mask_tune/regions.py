"""Where a map is far above its own mean."""

__all__ = ["most_active"]

from jaxtyping import Bool
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.shapes import Maps


@checked
def most_active(maps: Maps) -> Bool[Tensor, "N h w"]:
    """Positions where a map lies more than two deviations above its mean, both of its positive values.

    Args:
        maps: One an image, at the size of what is to be masked.

    Returns:
        True at these positions; none of a map that is constant or without a positive value.

    References:
        Asgari, Khani, Khani, Gholami, Tran, Mahdavi-Amiri, Hamarneh (2022). MaskTune: Mitigating Spurious Correlations
        by Forcing to Explore. NeurIPS, arXiv 2210.00055; the rule is that of the authors' code.

    Examples:
        >>> import torch
        >>> one_map = torch.tensor([[[9.0, 1, 1, 1, 1, 1, 1, 0, -8]]])
        >>> most_active(one_map).int().tolist()
        [[[1, 0, 0, 0, 0, 0, 0, 0, 0]]]
    """
    values = maps.double()
    positive = values > 0
    count = positive.sum((1, 2), keepdim=True).clamp_min(1)
    mean = (values * positive).sum((1, 2), keepdim=True) / count
    above = values - mean
    deviation = ((above.square() * positive).sum((1, 2), keepdim=True) / count).sqrt()
    # compared with the same differences: by rounding alone no position of a constant map is above
    return positive & (above > 2 * deviation)
