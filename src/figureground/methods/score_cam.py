"""Score-CAM: channels weighted by what the network says to the image behind each of them."""

__all__ = ["ScoreCAM", "ScoredChannels", "channel_masks", "score_cam"]

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.shapes import Activations, ChannelWeights, MapsPerClass, MapStack
from figureground.methods.method import CamMethod, MethodInputs, MethodResult, channel_sum
from figureground.methods.registry import METHODS
from figureground.methods.sweeps import Sweeps


@dataclass(frozen=True)
class ScoredChannels:
    """How the weights of a Score-CAM came out.

    Args:
        effective: ``(N, K)``: ``(Σ w)² / Σ w²``, as how many channels of equal weight they count. Below about 5 of
            softmax weights, one channel is all that the map shows: take probabilities.
        scored: ``(N,)``: how many channels were scored, the constant ones left out.
        left_out: ``(N, h, w)``: sum of the positive parts of the channels that were not scored. With weights that are
            probabilities, the map of all channels is nowhere larger than this one and that sum.
    """

    effective: Tensor
    scored: Tensor
    left_out: Tensor


def score_cam(activations: Activations, weights: ChannelWeights) -> MapStack:
    """Where the features are present behind which the network still sees the class.

    ``ReLU(Σ_k w_k · A_k)``. Range [0, ∞).

    Args:
        activations: ``A``, ``(..., C, h, w)``.
        weights: ``w``, ``(..., C)``.

    Returns:
        Raw maps ``(..., h, w)``.

    References:
        Wang et al. (2020), Algorithm 1, arXiv 1910.01279.
    """
    return channel_sum(weights[..., None, None], activations).relu()


def channel_masks(
    channels: Float[Tensor, "M h w"], size: tuple[int, int]
) -> Float[Tensor, "M H W"]:
    """Channels as masks of the image: upsampled bilinearly, then each brought to [0, 1] by its own range.

    Args:
        channels: ``(M, h, w)``.
        size: ``(H, W)`` of the image.

    Returns:
        ``(M, H, W)``; of a constant channel zeros.

    Examples:
        >>> channel_masks(torch.tensor([[[1.0, 3.0]], [[2.0, 2.0]]]), (1, 2)).tolist()
        [[[0.0, 1.0]], [[0.0, 0.0]]]
    """
    large = F.interpolate(channels[None], size, mode="bilinear")[0]
    low, high = large.amin((1, 2), keepdim=True), large.amax((1, 2), keepdim=True)
    return (large - low) / torch.where(high > low, high - low, 1)


@dataclass(frozen=True)
class ScoreCAM(CamMethod):
    """Score-CAM (Wang et al. 2020), without gradients: a run of the network for each channel, for all classes together.

    Each channel is laid over the image as a mask; what is masked away takes on the baseline. All channels that are
    constant share one run, that of the baseline alone.

    *Differs:* weights are the probabilities of the class, as in the authors' code, and constant channels have none. The
    paper's softmax over the channels' logits, by ``weights="softmax"``, leaves a single channel where logits are large.

    Args:
        weights: ``probability``, or ``softmax`` over the scored channels.
        channels: Score only so many channels, those that vary most; an approximation. None for all.
        baseline: ``mean``, the colour that the network sees as zero, or ``black``.

    Raises:
        OptionError: No such weights or baseline, or no channel.
    """

    weights: str = "probability"
    channels: int | None = None
    baseline: str = "mean"

    entry = METHODS["score-cam"]
    adds_channels = True

    def __post_init__(self) -> None:
        if self.weights not in {"probability", "softmax"}:
            raise OptionError(f"weights are 'probability' or 'softmax', not '{self.weights}'")
        if self.baseline not in {"mean", "black"}:
            raise OptionError(f"a baseline is 'mean' or 'black', not '{self.baseline}'")
        if self.channels is not None and self.channels < 1:
            raise OptionError(f"at least 1 channel is scored, not {self.channels}")

    def forwards(self, channels: int, height: int, width: int) -> int:
        """One for each channel that is scored, and one for the baseline; see the base."""
        del height, width
        return min(channels, self.channels or channels) + 1

    @property
    def sweep(self) -> Hashable:
        """Channels and baseline; the weights are made of what the runs gave."""
        return ("score", self.channels, self.baseline)

    def trial(self) -> CamMethod:
        """Eight channels."""
        return ScoreCAM(self.weights, min(8, self.channels or 8), self.baseline)

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, K, h, w)``, not negative."""
        return self.result(inputs).maps

    def result(self, inputs: MethodInputs) -> MethodResult:
        """The maps, and how many channels count in them.

        Args:
            inputs: What the run left.

        Returns:
            Maps and ``ScoredChannels``.
        """
        targets, sweeps = inputs.per_sweep
        activations = inputs.activations
        scored = self._scored(activations)
        live = scored & _varies(activations)
        sweep = partial(_swept, sweeps, activations, live=live, baseline=self.baseline)
        logits = sweeps.once(self.sweep, sweep)
        found = []
        for image, rows in enumerate(logits):
            own = targets.of_image(image)
            if self.weights == "softmax":
                scores = own.score(rows).T.masked_fill(~scored[image], -torch.inf)
                found.append(scores.softmax(1))
            else:
                found.append(own.probability(rows).T.masked_fill(~live[image], 0))
        weights = torch.stack(found)
        effective = weights.sum(-1) ** 2 / (weights**2).sum(-1)
        maps = score_cam(activations[:, None], weights)
        left_out = activations.relu().masked_fill(scored[:, :, None, None], 0).sum(1)
        return MethodResult(maps, ScoredChannels(effective, live.sum(1), left_out))

    def _scored(self, activations: Tensor) -> Bool[Tensor, "N C"]:
        """Which channels are asked for: all, or those of the largest standard deviation."""
        spread = activations.flatten(2).std(2, correction=0)
        best = spread.topk(min(self.channels or spread.shape[1], spread.shape[1]), 1).indices
        return torch.zeros_like(spread, dtype=torch.bool).scatter(1, best, value=True)


def _varies(activations: Tensor) -> Bool[Tensor, "N C"]:
    """Which channels are not the same at every position."""
    flat = activations.flatten(2)
    return flat.amax(2) > flat.amin(2)


def _swept(
    sweeps: Sweeps, activations: Tensor, image: int, *, live: Tensor, baseline: str
) -> Tensor:
    """Logits ``(C, L)`` of one image behind each live channel; of all others those of the baseline."""
    own, picture = activations[image], sweeps.images[image]
    size = (int(picture.shape[1]), int(picture.shape[2]))
    empty = sweeps.baseline(baseline).to(picture).expand_as(picture)
    logits = sweeps.rescore(empty[None]).repeat(len(own), 1)
    for some in sweeps.parts(live[image].nonzero()[:, 0], picture):
        masks = channel_masks(own[some], size).to(picture)
        logits[some] = sweeps.rescore(torch.lerp(empty, picture, masks[:, None]))
    return logits
