"""Group-CAM: groups of channels weighted by what the network says to the image that is sharp behind each of them."""

__all__ = ["GroupCAM", "channel_groups"]

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from figureground.base.errors import OptionError
from figureground.base.shapes import Activations, Gradients, MapsPerClass
from figureground.methods.method import CamMethod, MethodInputs
from figureground.methods.registry import METHODS
from figureground.methods.sweeps import Sweeps

_KERNEL, _SIGMA = 51, 50.0  # of the authors' code, for images of 224 pixels


def channel_groups(
    activations: Activations, gradients: Gradients, *, groups: int = 32
) -> Float[Tensor, "*batch groups h w"]:
    """The maps of neighbouring channels together: ``ReLU(Σ_k mean(g_k) A_k)`` over each group, from 0 to 1.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        gradients: ``g`` of the class logit, the same shape, or ``(..., C, 1, 1)``.
        groups: Number of groups; the first ones have one channel more where C is no multiple.

    Returns:
        ``(..., groups, h, w)`` in [0, 1]; of a group that is constant zeros.
    """
    weighted = gradients.mean((-2, -1), keepdim=True) * activations
    parts = torch.tensor_split(weighted, min(groups, weighted.shape[-3]), dim=-3)
    maps = torch.stack([part.sum(-3) for part in parts], -3).relu()
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / torch.where(high > low, high - low, 1)


@dataclass(frozen=True)
class GroupCAM(CamMethod):
    """Group-CAM (Zhang et al. 2021): a run of the network for each group of channels and class.

    ``Σ_g ReLU(p(x ∘ M_g + b ∘ (1 − M_g)) − p(b)) M_g``: how much more probable the class is where the image ``x`` is
    sharp behind the map ``M_g`` of a group than where all of it is its blur ``b``. Range [0, ∞).

    *Differs:* masks are brought to [0, 1] before they are enlarged, the map keeps the size of the layer, and the window
    of the blur is cut to small images.

    Args:
        groups: Number of groups of channels, each of neighbours.

    Raises:
        OptionError: No group.
    """

    groups: int = 32

    entry = METHODS["group-cam"]
    sweeps_each_class = True

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise OptionError(f"group-cam has at least 1 group, not {self.groups}")

    def forwards(self, channels: int, height: int, width: int) -> int:
        """One for each group and one for the blurred image, for each class, as masks are its own; see the base."""
        del height, width
        return min(self.groups, channels) + 1

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        targets, sweeps = inputs.per_sweep
        found = channel_groups(*inputs.per_class, groups=self.groups)
        weights = torch.zeros(found.shape[:3], device=found.device)
        for image, own in enumerate(found):
            asked = targets.of_image(image)
            for k, masks in enumerate(own):
                logits = _swept(sweeps, image, masks)
                scores = asked.part(k, k + 1).probability(logits)[:, 0]
                weights[image, k] = (scores[1:] - scores[0]).relu()
        return (weights[..., None, None] * found).sum(2)


def _swept(sweeps: Sweeps, image: int, masks: Tensor) -> Tensor:
    """Logits ``(groups + 1, L)`` of the blurred image, and of it sharp behind each mask."""
    sharp = sweeps.images[image]
    size = (int(sharp.shape[1]), int(sharp.shape[2]))
    blurred = gaussian_blur(sharp, min(_KERNEL, 2 * min(size) - 1), _SIGMA)
    behind = torch.cat([torch.zeros_like(masks[:1]), masks])
    large = F.interpolate(behind[:, None], size, mode="bilinear").to(sharp)
    parts = sweeps.parts(large, sharp)
    return torch.cat([sweeps.rescore(torch.lerp(blurred, sharp, part)) for part in parts])
