"""The largest product of each of many pairs of rows, without laying the products out."""

__all__ = ["strongest_products"]

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.maps.component_tree import compiled


def strongest_products(
    values: Float[Tensor, "R C"],
    weight: Float[Tensor, "O C"],
    rows: Int[Tensor, " P"],
    *,
    units: Int[Tensor, " P"],
) -> Int[Tensor, " P"]:
    """Where ``values[row] * weight[unit]`` is largest, for each pair of row and unit.

    Args:
        values: Rows of numbers.
        weight: One row per unit.
        rows: Of ``values``, one for each pair.
        units: Rows of ``weight``, one for each pair.

    Returns:
        Columns; the first where several are largest.

    Examples:
        >>> values, weight = torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 1.0], [9.0, 1.0]])
        >>> strongest_products(
        ...     values, weight, torch.tensor([0, 0]), units=torch.tensor([0, 1])
        ... ).tolist()
        [1, 0]
    """
    if values.is_cpu and values.dtype == weight.dtype == torch.float32 and values.is_contiguous():
        given = values.detach().numpy(), weight.detach().contiguous().numpy()
        return torch.from_numpy(_strongest(*given, rows.numpy(), units.numpy()))
    size = max(1, _ELEMENTS_AT_ONCE // values.shape[1])
    parts = zip(torch.split(rows, size), torch.split(units, size), strict=True)
    found = [(values[row] * weight[unit]).max(1).indices for row, unit in parts]
    return torch.cat(found) if found else rows


@compiled
def _strongest(  # noqa: PLR0917 - numba takes no keywords
    values: np.ndarray,
    weight: np.ndarray,
    rows: np.ndarray,
    units: np.ndarray,
) -> np.ndarray:
    """The same, pair by pair."""
    found = np.zeros(len(rows), np.int64)
    for pair in range(len(rows)):
        row, unit = rows[pair], units[pair]
        best = values[row, 0] * weight[unit, 0]
        for column in range(1, values.shape[1]):
            product = values[row, column] * weight[unit, column]
            if product > best:
                best = product
                found[pair] = column
    return found


_ELEMENTS_AT_ONCE = 2**22  # so that memory stays bounded
