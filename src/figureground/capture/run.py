"""Run a network once, without a graph below the layers; or again with other maps in a layer's place."""

__all__ = ["Layer", "Precision", "replay", "run_once"]

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from figureground.base.errors import LayerError, ModelError
from figureground.base.outputs import find_logits
from figureground.base.shapes import FeatureMaps, Images, Logits
from figureground.capture.captured import Captured
from figureground.capture.grid import Grid, find_grid, first_tensor, with_first_tensor
from figureground.capture.head import Classifying, can_classify, classifying
from figureground.capture.trace import look
from figureground.capture.untouched import borrowed, listening

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@runtime_checkable
class Layer(Protocol):
    """What is known of a layer before the run: its name, and its grid where that is known."""

    @property
    def name(self) -> str:
        """Dotted name in the model."""

    @property
    def grid(self) -> Grid | None:
        """How the output lies over the image, where known."""


def run_once(
    model: nn.Module,
    images: Images,
    layers: Sequence[Layer],
    *,
    gradient: bool = False,
    precision: Precision | None = None,
    output: Callable[[Any], Tensor] | None = None,
) -> Captured:
    """Run the network once in evaluation mode and record what the layers returned.

    No graph is recorded below the layers: at the first of them the activation becomes a leaf, and only
    the part of the network above it is recorded. So no parameter needs to require a gradient, none gets
    one, and it works in a caller's ``no_grad`` or ``inference_mode``. A layer that runs several times
    counts with its last run. What is recorded is a layer's own output, also where the next module rewrites
    it in place.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``, what the network takes.
        layers: The layers.
        gradient: Whether gradients will be asked for.
        precision: ``bf16`` or ``fp16`` run under autocast, ``fp32`` outside it; None leaves the caller's setting.
        output: How to find the logits in what the model returns.

    Returns:
        Logits and activations; ask it for gradients.

    Raises:
        LayerError: A layer was not reached, or has no spatial extent.
        ModelError: The network failed on these images.
    """
    modules = {model.get_submodule(layer.name): layer.name for layer in layers}
    with torch.inference_mode(mode=False), borrowed(model), _precision(images, precision):
        images = images.clone() if images.is_inference() else images
        listener = _Listener(modules, gradient=gradient)
        with torch.no_grad():
            logits = _forward(model, images, listener=listener, output=output)
        if gradient and not logits.requires_grad:
            # the network switches gradients off itself somewhere above the layer: begin with them on
            listener = _Listener(modules, gradient=True)
            with torch.enable_grad():
                logits = _forward(model, images, listener=listener, output=output)
    size = (int(images.shape[-2]), int(images.shape[-1]))
    grids: dict[str, Grid] = {}
    for layer in layers:
        grid = _grid(layer, listener.raw.get(layer.name), size=size, model=model)
        if grid is None:
            others = look(model, images, output).last_names()
            raise LayerError(_without_grid(layer.name, listener.raw.get(layer.name), others))
        grids[layer.name] = grid
    raw = {layer.name: listener.raw[layer.name] for layer in layers}
    exact = all(tensor.dtype == torch.float32 for tensor in (*raw.values(), logits))
    with torch.enable_grad():
        return Captured(logits.float(), raw, grids, listener.classifying, exact)


def replay(
    model: nn.Module,
    images: Images,
    layer: Layer,
    *,
    maps: FeatureMaps,
    output: Callable[[Any], Tensor] | None = None,
) -> Logits:
    """Logits of the network with these maps in the place of a layer's output.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``; what reaches the logits around the layer still comes from them.
        layer: The layer, with its grid.
        maps: ``(N, C, h, w)``.
        output: How to find the logits in what the model returns.

    Returns:
        ``(N, L)`` float32, without a graph.
    """
    grid = layer.grid
    assert grid is not None  # noqa: S101 - the caller has run the layer

    def exchange(_module: nn.Module, _inputs: tuple[Any, ...], out: Any) -> Any:  # noqa: ANN401
        raw = first_tensor(out)
        # a copy: what follows may write in place (a DenseNet's last ReLU), into the caller's maps
        return None if raw is None else with_first_tensor(out, grid.from_grid(maps.clone(), raw))

    module = model.get_submodule(layer.name)
    with (
        torch.inference_mode(mode=False),
        borrowed(model),
        torch.no_grad(),
        listening([module], exchange),
    ):
        images = images.clone() if images.is_inference() else images
        return find_logits(model(images), len(images), output).float()


class _Listener:
    """Keeps what the layers return, and the input of the last linear or 1×1-convolution module."""

    def __init__(self, modules: dict[nn.Module, str], *, gradient: bool) -> None:
        self.modules = modules
        self.gradient = gradient
        self.raw: dict[str, Tensor] = {}
        self.classifying: Classifying | None = None

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        self.classifying = classifying(module, inputs) or self.classifying
        name = self.modules.get(module)
        tensor = first_tensor(output) if name is not None else None
        if name is None or tensor is None:
            return None
        if self.gradient:
            if not tensor.requires_grad:
                tensor = tensor.detach().requires_grad_()
            torch.set_grad_enabled(mode=True)  # ends with the block around the whole run
        self.raw[name] = tensor
        # a copy goes on: an in-place ReLU after the layer may rewrite its input
        return with_first_tensor(output, tensor.clone())


def _forward(
    model: nn.Module,
    images: Images,
    *,
    listener: _Listener,
    output: Callable[[Any], Tensor] | None,
) -> Tensor:
    """The network's logits, listened to."""
    heads = [module for module in model.modules() if can_classify(module)]
    with listening(dict.fromkeys([*listener.modules, *heads]), listener):
        try:
            result = model(images)
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise ModelError(
                f"the model failed on images of shape {tuple(images.shape)}: {error}"
            ) from error
        return find_logits(result, len(images), output)


def _precision(
    images: Tensor, precision: Precision | None
) -> contextlib.AbstractContextManager[object]:
    """Autocast as asked for."""
    kind = images.device.type
    if precision is None:
        return contextlib.nullcontext()
    if precision == "fp32":
        return torch.autocast(kind, enabled=False)
    return torch.autocast(kind, dtype=_DTYPES[precision])


def _grid(
    layer: Layer, raw: Tensor | None, *, size: tuple[int, int], model: nn.Module
) -> Grid | None:
    """The layer's grid; None where it was not reached or has a single position."""
    if raw is None:
        return None
    if layer.grid is not None and _fits(layer.grid, raw):
        return layer.grid
    grid = find_grid(raw, size, model=model, layer=model.get_submodule(layer.name))
    return None if grid is None or grid.size[0] * grid.size[1] == 1 else grid


def _without_grid(name: str, raw: Tensor | None, others: str) -> str:
    """Why a layer cannot be explained, and which ones can."""
    wrong = f"layer '{name}' was not reached when the model ran"
    if raw is not None:
        wrong = f"layer '{name}' gives {tuple(raw.shape)}, which has no positions (after pooling?)"
    return f"{wrong}; the last layers with positions: {others} ('figureground ls layers' lists all)"


def _fits(grid: Grid, tensor: Tensor) -> bool:
    """Whether a grid found on another image size still describes this output."""
    (h, w), c = grid.size, grid.channels
    shapes = {"nchw": (c, h, w), "nhwc": (h, w, c), "tokens": (grid.prefix + h * w, c)}
    return tuple(tensor.shape[1:]) == shapes[grid.layout]
