"""Ablation-CAM: channels weighted by how far the class score falls without them."""

__all__ = ["AblationCAM", "ablation_cam"]

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.shapes import Activations, ChannelWeights, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS
from figureground.methods.sweeps import Sweeps


def ablation_cam(activations: Activations, score: Tensor, ablated: ChannelWeights) -> MapStack:
    """Where the features are present without which the class score falls.

    ``ReLU(Σ_k w_k · A_k)`` with ``w_k = (y − y_k) / |y|``. Range [0, ∞). Where y is 0, nothing is divided.

    *Differs:* the paper divides by y, which turns the map upside down where the score is negative.

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        score: ``y``, the score of the class, ``(...)``.
        ablated: ``y_k``, the score without channel k, ``(..., C)``.

    Returns:
        Raw maps ``(..., h, w)``.

    References:
        Desai & Ramaswamy (2020), section 3, WACV.

    Examples:
        >>> import torch
        >>> a = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])  # two channels, 1×2 positions
        >>> ablation_cam(a, torch.tensor(-2.0), torch.tensor([-3.0, -1.0])).tolist()
        [[0.5, 0.0]]
    """
    size = torch.where(score == 0, 1, score.abs())
    weights = (score[..., None] - ablated) / size[..., None]
    return channel_sum(weights[..., None, None], activations).relu()


@dataclass(frozen=True)
class AblationCAM(CamMethod):
    """Ablation-CAM (Desai & Ramaswamy 2020), without gradients: all classes from one sweep over the channels.

    Where logits are linear in the averaged map, the scores without a channel follow from the weights. Elsewhere the
    part of the network above the layer runs once for each channel that is not off already.

    *Differs:* divides by the size of the score, not by the score, which may be negative.

    Args:
        fill: What a channel is when it is off: ``zero``, or ``mean``, its average over the positions, for layers whose
            channels are not zero at rest.

    Raises:
        OptionError: No such filling.
    """

    fill: str = "zero"

    entry = METHODS["ablation-cam"]
    adds_channels = True

    def __post_init__(self) -> None:
        if self.fill not in {"zero", "mean"}:
            raise OptionError(f"a channel is filled with 'zero' or 'mean', not '{self.fill}'")

    def forwards(self, channels: int, height: int, width: int) -> int:
        """One for each channel; see the base."""
        del height, width
        return channels

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        targets, sweeps = inputs.per_sweep
        head, activations = sweeps.head, inputs.activations
        fill = activations.mean((2, 3), keepdim=True)
        fill = fill if self.fill == "mean" else torch.zeros_like(fill)
        score = targets.score(inputs.logits)
        if head is not None and head.constant_gradient and not targets.functions:
            lost = (activations - fill).mean((2, 3))
            ablated = score[..., None] - targets.directions.weights(head.weight) * lost[:, None]
            return ablation_cam(activations[:, None], score, ablated)
        sweep = partial(_swept, sweeps, inputs, fill=fill)
        logits = sweeps.once(("ablation", self.fill), sweep)
        rows = [targets.of_image(n).score(one) for n, one in enumerate(logits)]
        return ablation_cam(activations[:, None], score, torch.stack(rows).mT)


def _swept(sweeps: Sweeps, inputs: MethodInputs, image: int, *, fill: Tensor) -> Tensor:
    """Logits ``(C, L)`` of one image without each of its channels."""
    own, off = inputs.activations[image], fill[image]
    changed = (own != off).flatten(1).any(1).nonzero()[:, 0]
    logits = inputs.logits[image].repeat(len(own), 1)
    copies = own[None][:0]
    for some in sweeps.parts(changed, own):
        # one batch of copies serves again and again: channels are filled, and put back afterwards
        copies = copies if len(copies) >= len(some) else own.repeat(len(some), 1, 1, 1)
        rows = torch.arange(len(some), device=some.device)
        copies[rows, some] = off[some].expand_as(own[some])
        version = copies._version  # noqa: SLF001 - counts the writes
        logits[some] = sweeps.replay(image, copies[: len(some)], keep=False)
        if copies._version == version:  # noqa: SLF001
            copies[rows, some] = own[some]
        else:  # the network wrote into its input
            copies = copies[:0]
    return logits
