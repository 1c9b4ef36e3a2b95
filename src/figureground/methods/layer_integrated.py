"""Integrated HiRes-CAM: gradients of the score, averaged while the feature map grows from nothing, times the map."""

__all__ = ["LayerIntegrated"]

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.shapes import MapsPerClass
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS
from figureground.methods.targets import Targets


@dataclass(frozen=True)
class LayerIntegrated(CamMethod):
    """HiRes-CAM with gradients integrated along ``t A``, t from 0 to 1 (Sundararajan et al. 2017, equation 1).

    ``Σ_k A_k ∘ mean_j ∂s/∂A_k (t_j A)`` with ``t_j`` in the middle of equal steps. Signed, and complete: a map sums to
    ``s(A) − s(0)``, up to what the steps miss, whatever is above the layer. On a linear head it is HiRes-CAM.

    *Differs:* the paper integrates from an input, here it is a layer; the baseline is the map of zeros.

    Args:
        steps: How many gradients are averaged.

    Raises:
        OptionError: No step.
    """

    steps: int = 20

    entry = METHODS["layer-integrated"]

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise OptionError(f"layer-integrated takes at least 1 step, not {self.steps}")

    def forwards(self, channels: int, height: int, width: int) -> int:
        """One for each step, each with a backward pass for each class; see the base."""
        del channels, height, width
        return self.steps

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, signed."""
        targets, sweeps = inputs.per_sweep
        times = ((torch.arange(self.steps) + 0.5) / self.steps).to(inputs.activations)
        times, maps = times[:, None, None, None], []
        for image, own in enumerate(inputs.activations):
            replay = partial(sweeps.replay, image, graph=True)
            parts = sweeps.parts(times, own)
            slopes = _slopes(replay, targets.of_image(image), [part * own for part in parts])
            maps.append(channel_sum(slopes / self.steps, own))
        return torch.stack(maps)


def _slopes(
    replay: Callable[[Tensor], Tensor], targets: Targets, parts: Iterable[Tensor]
) -> Float[Tensor, "K C h w"]:
    """Gradients of one image's scores, added up over the path."""
    found = []
    for part in parts:
        maps = part.detach().requires_grad_()
        with torch.enable_grad():
            scores = targets.score(replay(maps)).sum(0)
            each = [torch.autograd.grad(one, maps, retain_graph=True)[0] for one in scores]
        found.append(torch.stack(each).sum(1))
    return torch.stack(found).sum(0)
