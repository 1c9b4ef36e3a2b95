"""What an erased part is filled with."""

__all__ = ["filled"]

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.errors import OptionError, unknown_option
from figureground.base.shapes import Images


def filled(
    images: Images,
    mask: Bool[Tensor, "N H W"],
    fill: str,
    *,
    generator: torch.Generator,
    mean: Float[Tensor, " c"] | None = None,
) -> Images:
    """Images with their masked pixels replaced.

    Args:
        images: ``(N, C, H, W)`` in [0, 1]; not changed.
        mask: True where a pixel is replaced.
        fill: ``zero``, ``mean``, ``random`` (a colour for each image) or ``pixel`` (one for each pixel).
        generator: Where random colours come from.
        mean: The colour for ``mean``, ``(C,)``.

    Returns:
        Images of the same shape, type and layout.

    Examples:
        >>> mask = torch.tensor([[[True, False]]])
        >>> half = torch.full((1, 1, 1, 2), 0.5)
        >>> filled(half, mask, "zero", generator=torch.Generator()).tolist()
        [[[[0.0, 0.5]]]]
    """  # noqa: DOC501 - unknown_option makes an OptionError
    if fill not in _FILLS:
        raise unknown_option("fill", fill, _FILLS)
    return torch.where(mask[:, None], _FILLS[fill](images, generator, mean), images)


def _zero(images: Tensor, _generator: torch.Generator, _mean: Tensor | None) -> Tensor:
    return images.new_zeros(())


def _mean(images: Tensor, _generator: torch.Generator, mean: Tensor | None) -> Tensor:
    if mean is None:
        raise OptionError("the fill 'mean' needs the mean colour of the data: pass mean")
    return mean.to(images.device, images.dtype, non_blocking=True)[:, None, None]


def _colour(images: Tensor, generator: torch.Generator, _mean: Tensor | None) -> Tensor:
    shape = (*images.shape[:2], 1, 1)
    return torch.rand(shape, generator=generator, device=images.device, dtype=images.dtype)


def _pixels(images: Tensor, generator: torch.Generator, _mean: Tensor | None) -> Tensor:
    return torch.empty_like(images).uniform_(generator=generator)


_FILLS: dict[str, Callable[[Tensor, torch.Generator, Tensor | None], Tensor]] = {
    "zero": _zero,
    "mean": _mean,
    "random": _colour,
    "pixel": _pixels,
}
