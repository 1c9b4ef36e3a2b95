"""Common corruptions of images at five severities, made on the fly and repeatable by their seed."""

__all__ = ["CORRUPTIONS", "SEVERITIES", "corrupt", "corruption_strength"]

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError, unknown_option
from figureground.base.seeds import generator
from figureground.base.shapes import Images

SEVERITIES = (1, 2, 3, 4, 5)
_SMALL = 96  # pixels of the shorter side below which an image gets the gentler strengths
_BLUR_ENDS = 4.0  # standard deviations at which the blur's kernel ends


@checked
def corrupt(images: Images, name: str, severity: int, *, seed: int) -> Images:
    """Images made worse.

    * ``gaussian-noise``: plus normal numbers; the strength is their standard deviation.
    * ``shot-noise``: each value drawn from a Poisson distribution; the strength is the photons of a white pixel.
    * ``gaussian-blur``: the strength is the standard deviation in pixels; edges are repeated outwards.
    * ``brightness``: the largest of the colours is raised by the strength, the others in proportion (V of HSV).
    * ``contrast``: differences from the image's mean colour are multiplied by the strength.
    * ``pixelate``: shrunk to this share of its sides and enlarged again without smoothing.
    * ``jpeg``: saved and read at this quality.

    Images whose shorter side is below 96 pixels get the strengths published for CIFAR-10-C, larger ones those for
    ImageNet-C; ``corruption_strength`` tells them.

    Args:
        images: ``(N, C, H, W)`` in [0, 1], C is 1 or 3. Not changed.
        name: One of `CORRUPTIONS`.
        severity: 1 to 5; 0 leaves the images as they are.
        seed: Of the noises; the others need none. Draws depend on the shape of the batch.

    Returns:
        The same shape, in [0, 1], float32.

    Raises:
        OptionError: Unknown name or severity.
        ShapeError: Neither 1 nor 3 colours.

    References:
        Hendrycks, Dietterich (2019). Benchmarking neural network robustness to common corruptions and perturbations.
        ICLR, arXiv:1903.12261. *Differs:* made of the tested images themselves and not rounded to bytes afterwards;
        images are shrunk by averaging whole pixels; a brighter black is grey, as there.

    Examples:
        >>> grey = torch.full((1, 1, 2, 2), 0.5)
        >>> corrupt(grey, "brightness", 5, seed=0).unique().tolist()
        [0.800000011920929]
        >>> corrupt(grey, "contrast", 5, seed=0).equal(grey)
        True
    """
    if images.shape[1] not in {1, 3}:
        raise ShapeError(f"images to corrupt have 1 or 3 colours, not {images.shape[1]}")
    shorter = min(int(images.shape[-2]), int(images.shape[-1]))
    if severity == 0:
        _found(name)
        return images.float().clone()
    strength = corruption_strength(name, severity, shorter_side=shorter)
    changed = _found(name).change(images.float(), strength, generator(seed))
    return changed.clamp(0, 1)


@checked
def corruption_strength(name: str, severity: int, *, shorter_side: int) -> float:
    """The parameter of a corruption at a severity.

    Args:
        name: One of `CORRUPTIONS`.
        severity: 1 to 5.
        shorter_side: Of the images, pixels.

    Returns:
        What it means is said by ``corrupt``.

    Raises:
        OptionError: Unknown name or severity.

    Examples:
        >>> [corruption_strength("jpeg", 1, shorter_side=side) for side in (32, 224)]
        [80.0, 25.0]
    """
    found = _found(name)
    if severity not in SEVERITIES:
        raise OptionError(f"severities are 1 to 5, not {severity}")
    strengths = found.small if shorter_side < _SMALL else found.large
    return float(strengths[severity - 1])


@dataclass(frozen=True)
class _Corruption:
    """How an image is changed, and how strongly at each severity."""

    change: Callable[[Tensor, float, torch.Generator], Tensor]
    small: tuple[float | int, ...]
    large: tuple[float | int, ...]


def _found(name: str) -> _Corruption:
    if name not in CORRUPTIONS:
        raise unknown_option("corruption", name, CORRUPTIONS)
    return CORRUPTIONS[name]


def _gaussian_noise(images: Tensor, strength: float, numbers: torch.Generator) -> Tensor:
    # drawn on the CPU: equal on every device
    noise = torch.randn(images.shape, generator=numbers)
    return images + strength * noise.to(images.device)


def _shot_noise(images: Tensor, strength: float, numbers: torch.Generator) -> Tensor:
    photons = torch.poisson(images.cpu() * strength, generator=numbers)
    return (photons / strength).to(images.device)


def _gaussian_blur(images: Tensor, strength: float, _numbers: torch.Generator) -> Tensor:
    radius = int(_BLUR_ENDS * strength + 0.5)
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (places / strength) ** 2)
    kernel = (weights / weights.sum()).to(images)
    n, c, height, width = images.shape
    flat = images.reshape(n * c, 1, height, width)
    padded = F.pad(flat, (radius, radius, radius, radius), mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, -1, 1))
    return F.conv2d(rows, kernel.view(1, 1, 1, -1)).reshape(images.shape)


def _brightness(images: Tensor, strength: float, _numbers: torch.Generator) -> Tensor:
    value = images.amax(1, keepdim=True)
    raised = (value + strength).clamp_max(1)
    scaled = images * (raised / value.clamp_min(torch.finfo(images.dtype).tiny))
    return torch.where(value > 0, scaled, raised)


def _contrast(images: Tensor, strength: float, _numbers: torch.Generator) -> Tensor:
    mean = images.mean((2, 3), keepdim=True)
    return mean + strength * (images - mean)


def _pixelate(images: Tensor, strength: float, _numbers: torch.Generator) -> Tensor:
    height, width = images.shape[-2:]
    small = (max(1, int(height * strength)), max(1, int(width * strength)))
    return F.interpolate(F.adaptive_avg_pool2d(images, small), (height, width), mode="nearest")


def _jpeg(images: Tensor, strength: float, _numbers: torch.Generator) -> Tensor:
    arrays = images.mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    saved = np.stack([_saved_as_jpeg(array, round(strength)) for array in arrays])
    found = torch.from_numpy(saved).permute(0, 3, 1, 2)
    return found.to(images.device).float() / 255


def _saved_as_jpeg(array: np.ndarray, quality: int) -> np.ndarray:
    """One image ``(H, W, C)`` after a round trip."""
    buffer = io.BytesIO()
    Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array).save(
        buffer, format="JPEG", quality=quality
    )
    with Image.open(buffer) as image:
        return np.asarray(image).reshape(array.shape)


CORRUPTIONS: dict[str, _Corruption] = {
    "gaussian-noise": _Corruption(
        _gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)
    ),
    "shot-noise": _Corruption(_shot_noise, (500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "gaussian-blur": _Corruption(_gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1.0), (1, 2, 3, 4, 6)),
    "brightness": _Corruption(_brightness, (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": _Corruption(_contrast, (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    "pixelate": _Corruption(_pixelate, (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg": _Corruption(_jpeg, (80, 65, 58, 50, 40), (25, 18, 15, 10, 7)),
}
