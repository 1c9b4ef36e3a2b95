"""Pictures at the size and in the colours of any network, fitted once and kept."""

__all__ = ["PictureSet", "answered", "in_batches"]

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import UInt8
from torch import Tensor

from figureground.base.shapes import Images, Logits
from figureground.data.in_memory import in_memory
from figureground.data.labeled import LabeledImages
from figureground.models import Classifier, Preprocessing

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class PictureSet:
    """A set of pictures that networks of any input size are asked about.

    Args:
        name: In words.
        data: The pictures; labels as the networks have them.
        key: Sets of equal key hold the same pictures.
    """

    name: str
    data: LabeledImages
    key: int = 0
    _views: dict[tuple[object, ...], LabeledImages] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.data)

    def view(self, preprocessing: Preprocessing) -> LabeledImages:
        """The pictures as a network takes them, as bytes.

        Args:
            preprocessing: Of the network.

        Returns:
            Of its size and number of colours; boxes follow. A picture that cannot be read is left out, and noted.
        """
        fit = "stretch" if preprocessing.resize == "stretch" else "crop"
        wanted = (preprocessing.size, fit, preprocessing.channels)
        if wanted not in self._views:
            fitted = in_memory(self.data, preprocessing.size, fit=fit)
            pixels = _with_channels(fitted.pixels, preprocessing.channels)
            self._views[wanted] = replace(fitted, images=pixels)
        return self._views[wanted]


def in_batches(images: UInt8[Tensor, "N C H W"], size: int) -> Iterator[Images]:
    """Pictures in [0, 1], some at a time.

    Args:
        images: Bytes.
        size: How many at a time.

    Yields:
        ``(n, C, H, W)`` float32.
    """
    for part in torch.split(images, size):
        yield part.float().div_(255)


def answered(
    classifier: Classifier, images: UInt8[Tensor, "N C H W"], *, batch_size: int
) -> Logits:
    """Logits of all pictures.

    Args:
        classifier: In evaluation mode, on its device.
        images: As it takes them, bytes.
        batch_size: How many at a time.

    Returns:
        ``(N, L)`` float32 on the CPU.
    """
    device = classifier.mean.device
    with torch.no_grad():
        parts = [
            classifier(batch.to(device)).float().cpu() for batch in in_batches(images, batch_size)
        ]
    return torch.cat(parts)


def _with_channels(images: Tensor, channels: int) -> Tensor:
    """Grey or colour, as the network wants it."""
    if images.shape[1] == channels:
        return images
    if channels != 1:
        return images.expand(-1, channels, -1, -1)
    weights = torch.tensor(_LUMINANCE).view(1, 3, 1, 1)
    parts = torch.split(images, _AT_ONCE)
    return torch.cat([(part * weights).sum(1, keepdim=True).round().byte() for part in parts])
