"""From raw maps to maps that are boxed: stated with every number, because it moves results by tens of points."""

__all__ = ["PostProcessing"]

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.errors import OptionError, unknown_option
from figureground.base.shapes import Maps
from figureground.maps.normalise import is_constant, normalise
from figureground.maps.resize import RESIZINGS, resize

_NORMALISATIONS = ("minmax", "max")


@dataclass(frozen=True)
class PostProcessing:
    """ReLU (or not), then resize, then normalise to [0, 1], in this order.

    Args:
        relu: Set negative values to zero first.
        normalise: ``minmax``, lowest value to 0, highest to 1; or ``max``, zero stays zero, for which
            ``relu`` is needed.
        resize: ``bilinear``, ``cubic``, ``nearest`` or ``tf1``.

    Raises:
        OptionError: An option is unknown, or they do not go together.

    Examples:
        >>> from figureground.maps.post_processing import PostProcessing
        >>> maps, blank = PostProcessing(relu=False)(torch.tensor([[[-1.0, 3.0]]]), (1, 2))
        >>> maps.tolist(), blank.tolist()
        ([[[0.0, 1.0]]], [False])
    """

    relu: bool = True
    normalise: str = "minmax"
    resize: str = "bilinear"

    def __post_init__(self) -> None:
        if self.normalise not in _NORMALISATIONS:
            raise unknown_option("normalisation", self.normalise, _NORMALISATIONS)
        if self.resize not in RESIZINGS:
            raise unknown_option("way to resize", self.resize, RESIZINGS)
        if self.normalise == "max" and not self.relu:
            raise OptionError(
                "normalise 'max' leaves negative values below 0; use relu with it, or 'minmax'"
            )

    def __call__(
        self, maps: Maps, size: tuple[int, int], *, ready: bool = False
    ) -> tuple[Float[Tensor, "N H W"], Bool[Tensor, " N"]]:
        """Maps in [0, 1] at the asked size, and which of them show nothing.

        Args:
            maps: Raw scores.
            size: Height and width, pixels.
            ready: They lie in [0, 1] already and are only resized.

        Returns:
            The maps, zeros where blank; and True where a map is constant or not finite.
        """
        # a sum is finite where all its terms are, and several times as fast to look at
        finite = maps.flatten(1).sum(1, dtype=torch.float64).isfinite()
        clean = maps.float()
        if not bool(finite.all()):
            clean = torch.where(finite[:, None, None], clean, 0)
        if ready:
            return clean if clean.shape[-2:] == size else resize(clean, size), ~finite
        cut = clean.relu() if self.relu else clean
        sized = resize(cut, size, how=self.resize)
        if self.relu and self.resize == "cubic":  # which overshoots below zero
            sized = sized.relu()
        return normalise(sized, how=self.normalise), is_constant(cut) | ~finite

    def __str__(self) -> str:
        scale = "min-max" if self.normalise == "minmax" else "divided by the maximum"
        return f"{'ReLU' if self.relu else 'no ReLU'}, {self.resize} to the view, {scale}"
