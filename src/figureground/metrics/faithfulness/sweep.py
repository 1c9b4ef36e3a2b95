"""How pixels come and go for insertion and deletion."""

__all__ = ["RISE", "Sweep", "blurred"]

from dataclasses import dataclass

import torch
from torch.nn.functional import conv2d, pad

from figureground.base.checking import checked
from figureground.base.errors import OptionError
from figureground.base.shapes import Images


@dataclass(frozen=True)
class Sweep:
    """How pixels come and go.

    Args:
        step_pixels: Pixels per step; one image row where omitted (224 at 224 x 224, as RISE).
        removed_value: What a deleted pixel becomes, the same in every channel.
        blur_side: Side of the Gaussian that hides the image before insertion; odd, pixels.
        blur_sigma: Its standard deviation, pixels.

    Raises:
        OptionError: A step below one pixel, an even side, or a sigma that is not positive.
    """

    step_pixels: int | None = None
    removed_value: float = 0.0
    blur_side: int = 11
    blur_sigma: float = 5.0

    def __post_init__(self) -> None:
        if self.step_pixels is not None and self.step_pixels < 1:
            raise OptionError(f"step_pixels must be at least 1, not {self.step_pixels}")
        if self.blur_side < 1 or self.blur_side % 2 == 0 or self.blur_sigma <= 0:
            raise OptionError(
                f"blur needs an odd side and sigma > 0, not {self.blur_side}, {self.blur_sigma}"
            )


RISE = Sweep()


@checked
def blurred(images: Images, *, sweep: Sweep = RISE) -> Images:
    """Images under a Gaussian, borders repeated: where insertion starts.

    Args:
        images: ``(N, C, H, W)``.
        sweep: Gives side and sigma of the Gaussian.

    Returns:
        Images of the same shape.
    """
    reach = sweep.blur_side // 2
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    bell = (-0.5 * (offsets / sweep.blur_sigma) ** 2).exp()
    bell = (bell / bell.sum()).reshape(1, 1, 1, -1)
    padded = pad(images.flatten(0, 1)[:, None], (reach, reach, reach, reach), mode="replicate")
    return conv2d(conv2d(padded, bell), bell.transpose(-1, -2)).reshape(images.shape)
