"""Maps of several layers joined into one."""

__all__ = ["FUSIONS", "fuse_maps"]

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import ShapeError, unknown_option
from figureground.base.shapes import MapStack
from figureground.maps.post_processing import normalise, resize


@checked
def fuse_maps(stacks: Sequence[Float[Tensor, "... _ _"]], *, how: str = "mean") -> MapStack:
    """One map from the maps of several layers, at the size of the finest.

    Every map is first cut at zero, scaled to [0, 1] by itself and resized bilinearly to the size of
    the stack with the most positions. ``mean`` is high where the layers agree on average, ``max``
    where any of them responds, ``product`` only where all of them do. ``tanh-max`` lifts low values
    by ``tanh(2·map)`` before it resizes, and then takes the ``max``.

    Args:
        stacks: Stacks ``(..., h, w)`` that differ in ``h`` and ``w`` only.
        how: ``mean``, ``max``, ``product`` or ``tanh-max``.

    Returns:
        Fused maps in [0, 1] (up to tanh 2 = 0.964 for ``tanh-max``), ``(..., h, w)`` at the largest size, not
        stretched to reach 1 again; NaN where a layer's map holds NaN or infinity.

    Raises:
        OptionError: ``how`` is unknown.
        ShapeError: No stacks, or their leading axes differ.

    References:
        Jiang et al. (2021), section III-C: ``tanh-max``, LayerCAM's own.

    Examples:
        >>> coarse = torch.tensor([[2.0]]) * torch.eye(2)
        >>> fine = torch.tensor([[0.0, 0.0], [0.0, 5.0]])
        >>> fuse_maps([coarse, fine]).tolist()
        [[0.5, 0.0], [0.0, 1.0]]
    """
    fusion = _chosen(how)
    if not stacks:
        raise ShapeError("no maps to fuse; pass at least one stack")
    leading = {tuple(stack.shape[:-2]) for stack in stacks}
    if len(leading) > 1:
        raise ShapeError(f"stacks to fuse differ in their leading axes: {sorted(leading)}")
    largest = max((stack.shape[-2:] for stack in stacks), key=lambda size: size[0] * size[1])
    size = (largest[0], largest[1])
    own = [normalise(stack, relu=True, on_blank="zeros") for stack in stacks]
    lifted = [(2 * one).tanh() for one in own] if how == "tanh-max" else own
    scaled = [resize(one, size) for one in lifted]
    finite = torch.stack([stack.isfinite().all(-1).all(-1) for stack in stacks]).all(0)
    return torch.where(finite[..., None, None], fusion(torch.stack(scaled)), torch.nan)


def _chosen(how: str) -> Callable[[Tensor], Tensor]:
    """The fusion of this name, or an error that lists them."""
    if how not in FUSIONS:
        raise unknown_option("way to fuse", how, FUSIONS)
    return FUSIONS[how]


def _mean(stacked: Tensor) -> Tensor:
    return stacked.mean(0)


def _max(stacked: Tensor) -> Tensor:
    return stacked.amax(0)


def _product(stacked: Tensor) -> Tensor:
    return stacked.prod(0)


FUSIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": _mean,
    "max": _max,
    "product": _product,
    "tanh-max": _max,
}
