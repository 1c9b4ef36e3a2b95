"""An ImageNet network that answers for some of its classes alone, as a model that every command can load.

    PACK=../shared/data/packs/tiny_imagenet_val5k.npz
    WEIGHTS=../shared/data/weights/mobilenetv2_100_imagenet1001.safetensors
    figureground diagnose $PACK --model experiments/few_imagenet_classes.py:build --model-arg pack=$PACK \
        --model-arg weights=$WEIGHTS --size 128 --resize stretch --mean 0.5 --std 0.5 --out out/tiny

Tiny ImageNet has 200 of the 1,000 classes: a network that may answer with any of the others would be blamed for
fine distinctions that the images do not ask for.
"""

__all__ = ["build"]

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from timm.data import ImageNetInfo
from torch import nn


def build(*, pack: str, weights: str, name: str = "mobilenetv2_100") -> nn.Module:
    """The network with the rows of its last layer that the pack's classes need, in the pack's order.

    Args:
        pack: An ``.npz`` file whose ``wnid`` names its classes.
        weights: Of 1,001 classes, the first of which is background.
        name: As timm calls the network.

    Returns:
        The network, with as many logits.
    """
    network = timm.create_model(name, num_classes=1001, pad_type="same")
    network.load_state_dict(load_file(weights))
    every = ImageNetInfo("imagenet-1k").label_names()
    rows = torch.tensor([1 + every.index(one) for one in np.load(pack)["wnid"].tolist()])
    full = network.get_classifier()
    few = nn.Linear(full.in_features, len(rows))
    few.load_state_dict({"weight": full.weight.data[rows], "bias": full.bias.data[rows]})
    network.classifier = few
    return network
