"""One look at a network: which modules ran, in which order, and what they gave."""

__all__ = ["Seen", "Trace", "is_pool", "look"]

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from figureground.base.errors import ModelError
from figureground.base.outputs import find_logits
from figureground.base.shapes import Images
from figureground.capture.grid import Grid, find_grid, first_tensor
from figureground.capture.head import Classifying, classifying, recognise_head, tolerance
from figureground.capture.naming import shown_layer
from figureground.capture.untouched import borrowed, listening


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
        averaged: Name of the last pooling layer with more than one position where its average is all that a linear head
            sees; None where there is no such layer.
        class_map: Rows and columns of the map of classes that a segmentation network gives; None of others.
        boxes: Whether the network is a detector.
    """

    seen: tuple[Seen, ...]
    num_logits: int
    image_size: tuple[int, int]
    averaged: str | None = None
    class_map: tuple[int, int] | None = None
    boxes: bool = False

    def spatial(self) -> tuple[Seen, ...]:
        """The modules whose output has more than one position, in order."""
        return tuple(seen for seen in self.seen if seen.spatial)

    def last_names(self, most: int = 6) -> str:
        """The last few layers with positions, for a message."""
        names = [shown_layer(seen.name) for seen in self.spatial()][-most:]
        return ", ".join(names) if names else "none"


def look(model: nn.Module, images: Images, output: Any = None) -> Trace:  # noqa: ANN401 - a callable or None
    """Run the network once on an image and note what every module returned.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``; the first one is used, or noise of its shape where its logits are NaN.
        output: How to find the logits in what the model returns; see ``find_logits``.

    Returns:
        The trace.

    Raises:
        ModelError: The network failed on the image.
    """
    trace, logits = _looked(model, images[:1], output)
    if bool(logits.isnan().any()):
        numbers = torch.Generator().manual_seed(0)
        noise = torch.rand(images[:1].shape, generator=numbers).to(images)
        trace, _ = _looked(model, noise, output)
    return trace


def _looked(model: nn.Module, image: Images, output: Any) -> tuple[Trace, Tensor]:  # noqa: ANN401 - as above
    """The trace of one image, and its logits."""
    names = {module: name for name, module in model.named_modules() if name}
    notes = _Notes()
    # no_grad within, since leaving inference mode switches gradients on
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        borrowed(model),
        listening(names, notes),
    ):
        try:
            result = model(image.clone() if image.is_inference() else image)
        except torch.OutOfMemoryError:
            raise  # whoever chose the size of the batch may try a smaller one
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise ModelError(
                f"the model failed on an image of shape {tuple(image.shape)}: {error}"
            ) from error
    logits = find_logits(result, len(image), output)
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
        for m, (order, t, count) in notes.last.items()
    ]
    trace = Trace(tuple(sorted(seen, key=lambda s: s.order)), logits.shape[1], size)
    given = _class_map([first_tensor(result), *notes.kept[-1:]], logits.shape[1])
    trace = replace(trace, class_map=given, boxes=notes.boxes or _are_boxes(result))
    return replace(trace, averaged=_averaged(trace, notes, logits)), logits


def is_pool(module: nn.Module) -> bool:
    """Whether a module pools, by the name of its type.

    Args:
        module: The module.

    Returns:
        True for pooling layers; a PoolFormer is none.
    """
    kind = type(module).__name__.lower()
    return "pool" in kind and "former" not in kind


class _Notes:
    """What every module returned, in the order in which they finished.

    Args:
        kept: Every tensor, kept alive so that identity means identity.
        last: Module -> number, tensor and count of its last call.
        classifying: The last linear or 1×1-convolution module that ran.
        pooled: The last pooling layer and what it returned, copied before anything rewrites it in place.
        boxes: Whether a module returned boxes; that is the detector inside a wrapper.
    """

    def __init__(self) -> None:
        self.kept: list[Tensor] = []
        self.last: dict[nn.Module, tuple[int, Tensor, int]] = {}
        self.classifying: Classifying | None = None
        self.pooled: tuple[nn.Module, Tensor] | None = None
        self.boxes = False

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], out: Any) -> None:  # noqa: ANN401
        self.classifying = classifying(module, inputs) or self.classifying
        self.boxes = self.boxes or _are_boxes(out)
        tensor = first_tensor(out)
        if tensor is None:
            return
        calls = self.last[module][2] if module in self.last else 0
        self.kept.append(tensor)
        self.last[module] = (len(self.kept), tensor, calls + 1)
        if is_pool(module) and tensor.shape[2:].numel() > 1:
            self.pooled = (module, tensor.clone())


def _averaged(trace: Trace, notes: _Notes, logits: Tensor) -> str | None:
    """The last spatial layer, where it is a pooling layer and the logits are linear in its average."""
    spatial = trace.spatial()
    if not spatial or notes.pooled is None or spatial[-1].module is not notes.pooled[0]:
        return None
    raw, grid = notes.pooled[1], spatial[-1].grid
    assert grid is not None  # noqa: S101 - spatial layers have one
    exact = raw.dtype == logits.dtype == torch.float32
    head = recognise_head(
        notes.classifying, grid.to_grid(raw).float(), logits.float(), tolerance=tolerance(exact)
    )
    return None if head is None else spatial[-1].name


def _are_boxes(returned: object) -> bool:
    """One mapping an image, with boxes and their scores."""
    rows = returned if isinstance(returned, list | tuple) else []
    return bool(rows) and all(
        isinstance(row, dict) and {"boxes", "scores"} <= set(row) for row in rows
    )


def _class_map(returned: list[Tensor | None], classes: int) -> tuple[int, int] | None:
    """Rows and columns of what the network, or what a wrapper reads logits from, returned as scores of places."""
    for tensor in returned:
        if tensor is not None and tensor.ndim == 4 and tensor.shape[1] == classes:
            return int(tensor.shape[2]), int(tensor.shape[3])
    return None


def _number(tensor: Tensor) -> int:
    """The same for tensors that are the same memory seen in the same way."""
    return hash((tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride())))
