"""A map in whole numbers: how many of the asked thresholds each pixel exceeds."""

__all__ = ["MapLevels", "map_levels"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer

from figureground.maps.compiled import compiled


@dataclass(frozen=True, eq=False)
class MapLevels:
    """A map as counts of thresholds.

    Args:
        counts: How many distinct thresholds each pixel exceeds, (H, W).
        heights: Finer whole numbers that never contradict the counts, (H, W).
        distinct: Number of distinct thresholds.
        which: For each threshold asked for, its position among the sorted distinct ones, (T,).
    """

    counts: Integer[np.ndarray, "H W"]
    heights: Integer[np.ndarray, "H W"]
    distinct: int
    which: Int[np.ndarray, " T"]

    def upside_down(self) -> "MapLevels":
        """The map upside down: pixel counts from the highest threshold downwards.

        Returns:
            Levels of which ``counts > j`` is where these are ``counts <= distinct - 1 - j``.

        Examples:
            >>> levels = map_levels(np.array([[0.1, 1.0]]), np.array([0.0, 0.5, 0.9]), clova=True)
            >>> levels.counts.tolist(), levels.upside_down().counts.tolist()
            ([[1, 3]], [[2, 0]])
        """
        below = self.counts.dtype.type(self.distinct) - self.counts
        return MapLevels(below, self.heights.max() - self.heights, self.distinct, self.which)


def map_levels(
    values: Float[np.ndarray, "H W"], shares: Float[np.ndarray, " T"], *, clova: bool
) -> MapLevels:
    """Count how many distinct thresholds each pixel exceeds.

    Args:
        values: The map; for ``clova`` in [0, 1].
        shares: Thresholds as shares of the maximum, in [0, 1].
        clova: Cut the map and the thresholds to 256 levels first.

    Returns:
        The levels.

    Examples:
        >>> map_levels(
        ...     np.array([[0.2, 0.6, 1.0]]), np.array([0.5, 0.0]), clova=False
        ... ).counts.tolist()
        [[1, 2, 2]]
    """
    if not clova:
        return _exact(values, shares)
    whole = np.ascontiguousarray(values)
    top = int(values.max() * values.dtype.type(255))
    scale = (top, 1 << _fine_bits(values.size, 255))
    counts, heights, distinct, which = _cut(whole, shares, scale)
    return MapLevels(counts, heights, distinct, which)


def _fine_bits(cells: int, levels: int) -> int:
    """How many bits finer heights may be so that they fit into 32 bits along with a cell's position."""
    spare = 32 - (2 * cells).bit_length() - levels.bit_length()
    return min(max(spare, 0), 8)


def _exact(values: np.ndarray, shares: np.ndarray) -> MapLevels:
    """The levels without cutting the map."""
    top = max(values.max(), values.dtype.type(0))
    distinct, which = np.unique(shares.astype(values.dtype) * top, return_inverse=True)
    counts = np.searchsorted(distinct, values, side="left").astype(np.uint32)
    bits = _fine_bits(values.size, len(distinct))
    fine = np.clip(values, 0, None) * (len(distinct) * 2**bits / max(float(top), 1e-30))
    heights = counts << np.uint32(bits) | (fine.astype(np.uint32) & np.uint32((1 << bits) - 1))
    kind = np.uint8 if len(distinct) < 256 else np.uint32
    return MapLevels(counts.astype(kind), heights, len(distinct), which)


@compiled
def _cut(
    values: np.ndarray, shares: np.ndarray, scale: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
    """Counts, heights, number of distinct thresholds, and which each one is, of a map cut to 256 levels."""
    top, fine = scale
    kind = values.dtype.type
    levels = (shares * top).astype(np.int64)
    asked = np.zeros(256, np.uint8)
    for level in levels:
        asked[level] = 1
    below = np.zeros(257, np.int64)  # how many distinct thresholds are below each grey level
    for grey in range(256):
        below[grey + 1] = below[grey] + asked[grey]
    table = below.astype(np.uint8)
    counts = np.empty(values.shape, np.uint8)
    heights = np.empty(values.shape, np.uint32)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            heights[y, x] = np.uint32(values[y, x] * kind(255) * kind(fine))
        for x in range(values.shape[1]):
            counts[y, x] = table[np.uint8(values[y, x] * kind(255))]
    return counts, heights, below[256], below[levels]
