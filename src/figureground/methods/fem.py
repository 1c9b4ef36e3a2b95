"""Feature-based explanation: the strongest positions of every channel, weighted by its mean activation."""

__all__ = ["FEM", "fem"]

import math
from dataclasses import dataclass

from figureground.base.errors import OptionError
from figureground.base.shapes import Activations, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS


def fem(activations: Activations, *, k: float = 2.0) -> MapStack:
    """Where unusually strong features are present, whatever the class.

    ``Σ_c mean(A_c) · [A_c ≥ mean(A_c) + k · std(A_c)]`` with mean and (population) standard deviation over the
    positions of channel ``c``: a position counts in a channel where it stands out of it. A channel that is constant
    has no position that stands out, and adds nothing.

    *Differs:* in the last: the formula would mark every position of a constant channel.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        k: Standard deviations above the mean from which a value is strong.

    Returns:
        Raw maps ``(..., h, w)``; not negative for non-negative activations.

    References:
        Fuad et al. (2020), Features Understanding in 3D CNNs for Actions Recognition in Video, IPTA.

    Examples:
        >>> import torch
        >>> fem(torch.tensor([[[0.0, 0.0, 0.0, 8.0]]]), k=1.0).tolist()
        [[0.0, 0.0, 0.0, 2.0]]
    """
    mean = activations.mean((-2, -1), keepdim=True)
    spread = activations.std((-2, -1), keepdim=True, correction=0)
    varies = activations.amax((-2, -1), keepdim=True) > activations.amin((-2, -1), keepdim=True)
    strong = (activations >= mean + k * spread) & varies
    return (mean * strong).sum(-3)


@dataclass(frozen=True)
class FEM(CamMethod):
    """FEM (Fuad et al. 2020). Class-free: one map per image.

    Args:
        k: Standard deviations above a channel's mean from which a value is strong.

    Raises:
        OptionError: ``k`` is negative.
    """

    k: float = 2.0

    entry = METHODS["fem"]

    def __post_init__(self) -> None:
        if not self.k >= 0:
            raise OptionError(f"k of fem is 0 or more standard deviations, not {self.k}")

    def why_blank(self, height: int, width: int) -> str:
        """One of n values lies at most ``√(n − 1)`` standard deviations above their mean; see the base."""
        positions = height * width
        if self.k**2 <= positions - 1:
            return ""
        most = math.sqrt(positions - 1)
        return (
            f"none of {positions} positions can lie {self.k:g} standard deviations above their mean (at most {most:.2f}"
            "): name an earlier layer, or ask for fem with a smaller k"
        )

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, 1, h, w)``."""
        return fem(inputs.activations, k=self.k)[:, None]
