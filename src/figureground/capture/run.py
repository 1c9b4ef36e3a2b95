"""Run a network once: activations of some layers, logits, and gradients of the part above the layers only."""

__all__ = ["Captured", "Layer", "Precision", "replay", "run_once"]

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from figureground.base.errors import LayerError, ModelError
from figureground.base.shapes import FeatureMaps, Images, Logits
from figureground.capture.directions import Directions
from figureground.capture.grid import Grid, find_grid
from figureground.capture.head import ClassMapHead, Classifying, recognise_head
from figureground.capture.hooks import listening
from figureground.capture.outputs import first_tensor, logits_of, with_first_tensor
from figureground.capture.untouched import borrowed

Precision = Literal["fp32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Layer(Protocol):
    """What is known of a layer before the run: its name, and its grid where that is known."""

    @property
    def name(self) -> str: ...
    @property
    def grid(self) -> Grid | None: ...


@dataclass
class Captured:
    """What one run of a network left.

    Args:
        logits: ``(N, L)`` float32.
        raw: Layer name -> output as the layer returned it (of its last call), part of the graph where there is one.
        grids: Layer name -> how that lies over the image.
        classifying: The last linear or 1×1-convolution module that ran.
        exact: Whether the network ran in float32, so that equalities hold closely.
    """

    logits: Logits
    raw: dict[str, Tensor]
    grids: dict[str, Grid]
    classifying: Classifying | None = None
    exact: bool = True
    _heads: dict[str, ClassMapHead | None] = field(default_factory=dict)

    @cached_property
    def activations(self) -> dict[str, FeatureMaps]:
        """Layer name -> ``(N, C, h, w)`` float32, without a graph."""
        return {name: self.grids[name].to_grid(raw.detach()).float() for name, raw in self.raw.items()}

    def head(self, layer: str) -> ClassMapHead | None:
        """The linear head over this layer's averaged map, recognised from the numbers; None where there is none."""
        if layer not in self._heads:
            tolerance = 1e-4 if self.exact else 3e-2
            maps = self.activations[layer]
            self._heads[layer] = recognise_head(self.classifying, maps, self.logits.detach(), tolerance)
        return self._heads[layer]

    def gradients(self, directions: Directions) -> dict[str, Tensor]:
        """Gradients of combinations of logits with respect to every layer.

        Args:
            directions: K classes or combinations of logits.

        Returns:
            Layer name -> ``(N, K, C, h, w)`` float32; ``(N, K, C, 1, 1)`` or ``(1, K, C, 1, 1)`` where the gradient is the
            same at every position (for every image), which an average-pooled linear head gives without any backward pass.

        Raises:
            LayerError: The logits do not depend on any of the layers.
        """
        closed = {name: head for name in self.raw if (head := self.head(name)) and head.constant_gradient}
        found = {name: self._constant_gradient(name, head, directions) for name, head in closed.items()}
        if len(found) < len(self.raw):
            found |= self._backward([name for name in self.raw if name not in found], directions)
        return found

    def _constant_gradient(self, layer: str, head: ClassMapHead, directions: Directions) -> Tensor:
        """d logit / d activation = weight / number of positions."""
        h, w = self.grids[layer].size
        return (directions.weights(head.weight) / (h * w))[..., None, None]

    def _backward(self, layers: Sequence[str], directions: Directions) -> dict[str, Tensor]:
        """One small backward pass of the part above the layers for each direction."""
        if not self.logits.requires_grad:
            raise LayerError(f"the logits do not depend on {', '.join(layers)}: no gradient reaches it")
        inputs = [self.raw[name] for name in layers]
        per_class: dict[str, list[Tensor]] = {name: [] for name in layers}
        for k in range(directions.count):
            # autograd.grad, not backward(): no parameter's .grad may change under a caller's training step
            cotangent = directions.cotangent(k, self.logits)
            found = torch.autograd.grad(self.logits, inputs, cotangent, retain_graph=True, allow_unused=True)
            for name, raw, gradient in zip(layers, inputs, found, strict=True):
                whole = torch.zeros_like(raw) if gradient is None else gradient
                per_class[name].append(self.grids[name].to_grid(whole).float())
        return {name: torch.stack(gradients, 1) for name, gradients in per_class.items()}


def run_once(
    model: nn.Module,
    images: Images,
    layers: Sequence[Layer],
    *,
    gradient: bool = False,
    precision: Precision | None = None,
    output: Callable[[Any], Tensor] | None = None,
) -> Captured:
    """Run the network once in evaluation mode and keep what the layers returned.

    No graph is recorded below the layers: at the first of them the activation becomes a leaf, and only the part of the
    network above it is recorded. So no parameter needs to require a gradient, none gets one, and it works in a caller's
    ``no_grad`` or ``inference_mode``. A layer that runs several times counts with its last run. What is kept is a layer's
    own output, also where the next module rewrites it in place.

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
        logits = _forward(model, images, listener, output)
        if gradient and not logits.requires_grad:
            # the network switches gradients off itself somewhere above the layer: begin with them on
            listener = _Listener(modules, gradient=True)
            with torch.enable_grad():
                logits = _forward(model, images, listener, output)
    size = (int(images.shape[-2]), int(images.shape[-1]))
    grids = {layer.name: _checked_grid(layer, listener.raw, size, model) for layer in layers}
    raw = {layer.name: listener.raw[layer.name] for layer in layers}
    exact = all(tensor.dtype == torch.float32 for tensor in (*raw.values(), logits))
    with torch.enable_grad():
        return Captured(logits.float(), raw, grids, listener.classifying, exact)


def replay(
    model: nn.Module,
    images: Images,
    layer: Layer,
    maps: FeatureMaps,
    *,
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
        return None if raw is None else with_first_tensor(out, grid.from_grid(maps, raw))

    module = model.get_submodule(layer.name)
    with torch.inference_mode(mode=False), borrowed(model), torch.no_grad(), listening([module], exchange):
        images = images.clone() if images.is_inference() else images
        return logits_of(model(images), output).float()


class _Listener:
    """Keeps what the layers return, and the input of the last linear or 1×1-convolution module."""

    def __init__(self, modules: dict[nn.Module, str], *, gradient: bool) -> None:
        self.modules = modules
        self.gradient = gradient
        self.raw: dict[str, Tensor] = {}
        self.classifying: Classifying | None = None

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        if isinstance(module, nn.Linear | nn.Conv2d) and inputs and isinstance(inputs[0], Tensor):
            self.classifying = Classifying(module, inputs[0])
        name = self.modules.get(module)
        tensor = first_tensor(output) if name is not None else None
        if name is None or tensor is None:
            return None
        if self.gradient:
            if not tensor.requires_grad:
                tensor = tensor.detach().requires_grad_()
            torch.set_grad_enabled(mode=True)  # ends with the no_grad block around the whole run
        self.raw[name] = tensor
        return with_first_tensor(output, tensor.clone())  # an in-place ReLU after the layer may rewrite its input


def _forward(
    model: nn.Module, images: Images, listener: _Listener, output: Callable[[Any], Tensor] | None
) -> Tensor:
    """The network's logits, listened to."""
    heads = [m for m in model.modules() if isinstance(m, nn.Linear) or _is_pointwise(m)]
    mode = contextlib.nullcontext() if torch.is_grad_enabled() and listener.gradient else torch.no_grad()
    with mode, listening(dict.fromkeys([*listener.modules, *heads]), listener):
        try:
            result = model(images)
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise ModelError(f"the model failed on images of shape {tuple(images.shape)}: {error}") from error
        return logits_of(result, output)


def _is_pointwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1


@contextlib.contextmanager
def _precision(images: Tensor, precision: Precision | None) -> Any:  # noqa: ANN401 - a generator
    """Autocast as asked for."""
    kind = images.device.type
    if precision is None:
        yield
    elif precision == "fp32":
        with torch.autocast(kind, enabled=False):
            yield
    else:
        with torch.autocast(kind, dtype=_DTYPES[precision]):
            yield


def _checked_grid(layer: Layer, raw: dict[str, Tensor], size: tuple[int, int], model: nn.Module) -> Grid:
    """The layer's grid, or an error that says why it has none."""
    hint = "list the layers that have positions with 'figureground ls layers', or leave the choice to figureground"
    if layer.name not in raw:
        raise LayerError(f"layer '{layer.name}' was not reached when the model ran; {hint}")
    tensor = raw[layer.name]
    known = layer.grid is not None and _fits(layer.grid, tensor)
    grid = layer.grid if known else find_grid(tensor, size, model, model.get_submodule(layer.name))
    if grid is None or grid.size[0] * grid.size[1] == 1:
        shape = tuple(tensor.shape)
        raise LayerError(f"layer '{layer.name}' gives {shape}, which has no positions (after pooling?); {hint}")
    return grid


def _fits(grid: Grid, tensor: Tensor) -> bool:
    """Whether a grid found on another image size still describes this output."""
    (h, w), c = grid.size, grid.channels
    shapes = {"nchw": (c, h, w), "nhwc": (h, w, c), "tokens": (grid.prefix + h * w, c)}
    return tuple(tensor.shape[1:]) == shapes[grid.layout]
