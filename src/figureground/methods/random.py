"""Random: weights drawn for each channel, the baseline that says what weights are worth."""

__all__ = ["Random", "random_weights"]

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.seeds import generator
from figureground.base.shapes import Images, MapsPerClass
from figureground.methods.method import CamMethod, MethodInputs, channel_sum
from figureground.methods.registry import METHODS


def random_weights(images: Images, channels: int, *, seed: int = 0) -> Float[Tensor, "N C 1 1"]:
    """A weight for each channel of each image, uniform in [-1, 1).

    Drawn from the seed and the image's own numbers: an image has the same weights alone, in any batch and in any order.

    Args:
        images: ``(N, C, H, W)`` as the network takes them.
        channels: Number of channels of the layer.
        seed: Another seed draws other weights.

    Returns:
        ``(N, channels, 1, 1)`` on the images' device.
    """
    drawn = [torch.rand(channels, generator=generator(_seed(image, seed))) for image in images]
    return (torch.stack(drawn) * 2 - 1)[..., None, None].to(images.device)


def _seed(image: Tensor, seed: int) -> int:
    """A seed of 62 bits made of the image's bytes and the seed."""
    content = image.detach().float().cpu().contiguous().numpy().tobytes()
    digest = hashlib.blake2b(content, digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") >> 2


@dataclass(frozen=True)
class Random(CamMethod):
    """Activations with random channel weights. Class-free: one map per image, with values of both signs.

    Args:
        seed: Another seed draws other weights.
    """

    seed: int = 0

    entry = METHODS["random"]

    def maps(self, inputs: MethodInputs) -> MapsPerClass:
        """Raw maps ``(N, 1, h, w)``, signed."""
        channels = inputs.activations.shape[1]
        weights = random_weights(inputs.images, channels, seed=self.seed)
        return channel_sum(weights, inputs.activations)[:, None]
