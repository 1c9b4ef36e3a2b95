"""Low-resolution maps of all training images, cached between refreshes."""

__all__ = ["CamCache"]

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.shapes import Labels, Maps


class CamCache:
    """A map for each training image, one byte per position, in the coordinates of the whole image.

    Indices are those of the training data, so that shuffling, cropping and sharing between processes do not matter.
    CIFAR-10's 50,000 maps of 8 × 8 take 3.2 MB.

    Args:
        count: Training images.
        size: Height and width of a map.
        device: Where the maps are stored.

    Examples:
        >>> cache = CamCache(3, (1, 2))
        >>> cache.put(torch.tensor([2]), torch.tensor([[[0.0, 1.0]]]))
        >>> cache.get(torch.tensor([2, -1])).tolist()
        [[[0.0, 1.0]], [[0.0, 0.0]]]
    """

    def __init__(
        self, count: int, size: tuple[int, int], device: torch.device | str = "cpu"
    ) -> None:
        self.levels = torch.zeros(count, *size, dtype=torch.uint8, device=device)
        self.covered = torch.zeros(count, dtype=torch.bool, device=device)

    def put(self, indices: Labels, maps: Maps) -> None:
        """Store the maps of these images.

        Args:
            indices: ``(N,)``, of the training data.
            maps: ``(N, h, w)`` in [0, 1]; stored to the nearest 1/255.
        """
        levels = (maps.clamp(0, 1) * 255).round().to(self.levels)
        self.levels[indices.to(self.levels.device)] = levels
        self.covered[indices.to(self.levels.device)] = True

    def get(self, indices: Labels) -> Maps:
        """The maps of these images.

        Args:
            indices: ``(N,)`` on the cache's device; -1 for an image from elsewhere.

        Returns:
            ``(N, h, w)`` in [0, 1]; zeros for an image from elsewhere, or whose map was never stored.
        """
        maps = self.levels[indices.clamp(min=0)].float() / 255
        return maps * (indices >= 0)[:, None, None]

    def mean(self) -> Float[Tensor, "1 h w"]:
        """The mean of all maps that were stored, as one map stretched to [0, 1].

        Returns:
            ``(1, h, w)``; zeros where they are all alike.
        """
        weights = self.covered.float() / self.covered.sum().clamp_min(1)
        mean = torch.einsum("n,nhw->hw", weights, self.levels.float())
        span = mean.amax() - mean.amin()
        return ((mean - mean.amin()) / span.clamp_min(torch.finfo(mean.dtype).tiny))[None]

    def state(self) -> dict[str, Any]:
        """What must be stored to resume."""
        return {"levels": self.levels, "covered": self.covered}

    @classmethod
    def of_state(cls, state: dict[str, Tensor]) -> "CamCache":
        """The cache that a state was taken of, on the device where the state lies.

        Args:
            state: What ``state`` gave.

        Returns:
            The cache.
        """
        levels, covered = state["levels"], state["covered"]
        cache = cls(len(levels), (levels.shape[1], levels.shape[2]), levels.device)
        cache.levels, cache.covered = levels, covered
        return cache
