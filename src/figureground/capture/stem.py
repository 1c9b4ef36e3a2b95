"""The first convolution of a network: whether it looks at the image alone, or at one that was padded or cropped."""

__all__ = ["Stem", "find_frame", "stem_of"]

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from figureground.base.shapes import Images
from figureground.capture.probes import PROBES, WHOLE, Frame, frame_of, probe_images
from figureground.capture.untouched import borrowed, listening


@dataclass(frozen=True)
class Stem:
    """One call of a convolution.

    Args:
        taken: What it took, ``(N, c, h, w)``.
        least: Pixels beside the image, vertically and horizontally, from which on they are no padding of its own.
    """

    taken: Float[Tensor, "N c h w"]
    least: tuple[int, int]

    def fits(self, images: Images) -> bool:
        """Whether what it took has the size of the images."""
        return self.taken.shape[-2:] == images.shape[-2:]

    def frame(self, size: tuple[int, int]) -> Frame:
        """Where the image lies in what it took.

        Args:
            size: ``(H, W)`` of the seven probe images that went into the network.

        Returns:
            The frame; ``WHOLE`` where the image fills it, or where that cannot be told.
        """
        if len(self.taken) != PROBES or self.taken.shape[-2:] == size:
            return WHOLE
        return frame_of(self.taken, size, least=self.least)


def stem_of(module: nn.Module, inputs: tuple[Any, ...]) -> Stem | None:
    """A call of a module as that of a first convolution, where it can be one.

    Args:
        module: The module that ran.
        inputs: What it was called with.

    Returns:
        The call; None unless the module is a two-dimensional convolution that was called with maps.
    """
    if not isinstance(module, nn.Conv2d) or not inputs:
        return None
    taken = inputs[0]
    if not isinstance(taken, Tensor) or taken.ndim != 4:
        return None
    # windows that do not overlap need no padding to keep the size, so that any is the image's
    least = [
        1 if stride >= kernel else kernel
        for stride, kernel in zip(module.stride, module.kernel_size, strict=True)
    ]
    return Stem(taken.detach(), (least[0], least[1]))


def find_frame(model: nn.Module, images: Images) -> Frame:
    """Where the image lies in what a network's first convolution takes, from one pass on seven copies of one image.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``; the first one is used.

    Returns:
        The frame; ``WHOLE`` where the image fills it, or where that cannot be told.
    """
    stems: list[Stem] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:  # noqa: ANN401
        stem = stem_of(module, inputs) if not stems else None
        stems.extend([] if stem is None else [stem])

    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        borrowed(model),
        listening(convolutions, note),
    ):
        model(probe_images(images[:1].clone()))
    size = (int(images.shape[-2]), int(images.shape[-1]))
    return stems[0].frame(size) if stems else WHOLE
