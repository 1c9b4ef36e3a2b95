"""The last layer of a trained network replaced by one made from its features: the decoupled baselines in a run."""

__all__ = ["AFTERWARDS", "refuse_unfit", "replace_last"]

from copy import deepcopy

import torch
from torch import Tensor, nn

from figureground.base.errors import OptionError, unknown_option
from figureground.data.streamed import StreamedImages
from figureground.models.heads import CosineLinear
from figureground.training.algorithms.background_splitting.options import (
    BackgroundSplittingOptions,
)
from figureground.training.algorithms.background_splitting.posthoc import (
    retrained_head,
    scaled_head,
    tau_normalize,
)
from figureground.training.last_linear import (
    last_linear,
    outputs_and_features,
)

AFTERWARDS = ("retrained", "scaled", "tau-normalized")
_BATCH = 256


def replace_last(
    network: nn.Module, images: Tensor | StreamedImages, labels: Tensor, *, how: str, seed: int = 0
) -> None:
    """Replace the values of a trained network's last linear layer; nothing else of it changes.

    Args:
        network: The classifier, images in [0, 1] to logits; changed in place.
        images: Training images ``(n, C, H, W)`` uint8, as for evaluation; or streamed.
        labels: ``(n,)``, -1 for unlabelled, the background last.
        how: ``retrained`` (cRT: a fresh layer learns on balanced batches), ``scaled`` (LWS: a number for each output
            does), ``tau-normalized`` (rows of length 1, no bias).
        seed: Of new weights and batches.

    Raises:
        OptionError: The network ends in no plain linear layer, or in one without the bias that is needed; or an unknown
            name.
        ShapeError: No image is labelled.
    """
    layer = _plain(last_linear(network), how)
    if how == "tau-normalized":
        found = tau_normalize(layer)
    else:
        known = labels.cpu() >= 0
        features, known_labels = _features(network, images, known), labels.cpu()[known]
        if how == "retrained":
            found = retrained_head(features, known_labels, outputs=layer.out_features, seed=seed)
        else:
            found = scaled_head(deepcopy(layer).cpu(), features, known_labels, seed=seed)
    _take(layer, found)


def refuse_unfit(layer: nn.Module, options: BackgroundSplittingOptions) -> None:
    """Find out before training, not after it, that a last layer does not go with the options.

    Args:
        layer: The network's last.
        options: Of the algorithm.

    Raises:
        OptionError: A cosine head where a linear layer is needed, or one without the bias that is needed.
    """
    wanted = {
        "fixed_logit": options.fixed_logit is not None,
        "afterwards": options.afterwards is not None,
        "main: binary": options.main == "binary",
    }
    if isinstance(layer, CosineLinear) and any(wanted.values()):
        names = ", ".join(name for name, is_wanted in wanted.items() if is_wanted)
        raise OptionError(f"{names} cannot be had with model.head: cosine")
    if options.afterwards is not None:
        _plain(layer, options.afterwards)


def _features(network: nn.Module, images: Tensor | StreamedImages, known: Tensor) -> Tensor:
    """What the last layer is given for the labelled images, ``(m, D)`` on the CPU."""
    where = next(network.parameters()).device
    indices = known.nonzero()[:, 0]
    parts = []
    for some in torch.split(indices, _BATCH):
        batch = images[some.to(images.device)].to(where).float().div_(255)
        parts.append(outputs_and_features(network, batch)[1].cpu())
    return torch.cat(parts) if parts else torch.zeros(0, 1)


@torch.no_grad()
def _take(layer: nn.Linear, found: nn.Linear) -> None:
    """Copy the values; a bias that is no longer there is 0."""
    layer.weight.copy_(found.weight)
    bias: Tensor | None = found.bias
    if layer.bias is not None:
        layer.bias.copy_(torch.zeros_like(layer.bias) if bias is None else bias)


def _plain(layer: nn.Module, how: str) -> nn.Linear:
    """The layer, unless something else would silently be done to it."""
    if how not in AFTERWARDS:
        raise unknown_option("change of the last layer", how, AFTERWARDS)
    if not isinstance(layer, nn.Linear) or (how == "retrained" and layer.bias is None):
        raise OptionError(
            f"afterwards: {how} needs a plain last linear layer with a bias; model.head: linear puts one there"
        )
    return layer
