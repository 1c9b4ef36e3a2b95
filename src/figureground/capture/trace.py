"""One look at a network: which modules ran, in which order, and what they gave."""

__all__ = ["Seen", "Trace", "look"]

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError
from figureground.base.shapes import Images
from figureground.capture.grid import Grid, find_grid
from figureground.capture.hooks import listening
from figureground.capture.outputs import first_tensor, logits_of
from figureground.capture.untouched import borrowed


@dataclass(frozen=True)
class Seen:
    """One module as it ran.

    Args:
        name: Dotted name in the model.
        module: The module.
        shape: Shape of its (first) output tensor.
        grid: How that lies over the image; None where it has no positions.
        tensor: Number of the output tensor; modules that hand on the same tensor share it.
        order: Place in the order in which modules finished (its last call).
        calls: How often it ran.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    grid: Grid | None
    tensor: int
    order: int
    calls: int

    @property
    def spatial(self) -> bool:
        """Whether the output has more than one position."""
        return self.grid is not None and self.grid.size[0] * self.grid.size[1] > 1


@dataclass(frozen=True)
class Trace:
    """What one look at a network saw.

    Args:
        seen: The modules in the order in which they finished; the network itself is left out.
        num_logits: L.
        image_size: ``(H, W)`` of the image that was used.
    """

    seen: tuple[Seen, ...]
    num_logits: int
    image_size: tuple[int, int]

    def spatial(self) -> tuple[Seen, ...]:
        """The modules whose output has more than one position, in order."""
        return tuple(seen for seen in self.seen if seen.spatial)

    def last_names(self, most: int = 6) -> str:
        """The last few layers with positions, for a message."""
        names = [seen.name for seen in self.spatial()][-most:]
        return ", ".join(names) if names else "none"


def look(model: nn.Module, images: Images, output: Any = None) -> Trace:  # noqa: ANN401 - a callable or None
    """Run the network once on the first image and note what every module returned.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``; the first one is used.
        output: How to find the logits in what the model returns; see ``logits_of``.

    Returns:
        The trace.

    Raises:
        ModelError: The network failed on the image.
    """
    names = {module: name for name, module in model.named_modules() if name}
    kept: list[Tensor] = []  # keeps every tensor alive, so that identity means identity
    last: dict[nn.Module, tuple[int, Tensor, int]] = {}
    calls: dict[nn.Module, int] = {}

    def note(module: nn.Module, _inputs: tuple[Any, ...], out: Any) -> None:  # noqa: ANN401
        tensor = first_tensor(out)
        if tensor is not None:
            kept.append(tensor)
            calls[module] = calls.get(module, 0) + 1
            last[module] = (len(kept), tensor, calls[module])

    image = images[:1]
    # no_grad within, since leaving inference mode switches gradients on
    with torch.inference_mode(mode=False), torch.no_grad(), borrowed(model), listening(names, note):
        try:
            result = model(image.clone() if image.is_inference() else image)
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise ModelError(
                f"the model failed on an image of shape {tuple(image.shape)}: {error}"
            ) from error
    logits = logits_of(result, output)
    size = (int(image.shape[-2]), int(image.shape[-1]))
    seen = [
        Seen(
            names[m],
            m,
            tuple(t.shape),
            find_grid(t, size, model=model, layer=m),
            _number(t),
            order,
            count,
        )
        for m, (order, t, count) in last.items()
    ]
    return Trace(tuple(sorted(seen, key=lambda s: s.order)), logits.shape[1], size)


def _number(tensor: Tensor) -> int:
    """The same for tensors that are the same memory seen in the same way."""
    return hash((tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride())))
