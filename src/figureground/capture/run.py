"""Run a network once, without a graph below the layers."""

__all__ = [
    "Layer",
    "Listener",
    "Precision",
    "autocast",
    "forward",
    "other_batch",
    "present_precision",
    "run_logits",
    "run_once",
]

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from figureground.base.amount import amount
from figureground.base.errors import LayerError, ModelError
from figureground.base.outputs import find_logits
from figureground.base.shapes import Images, Logits
from figureground.capture.captured import Captured
from figureground.capture.graph import is_behind
from figureground.capture.grid import Grid, find_grid, first_tensor, with_first_tensor
from figureground.capture.head import Classifying, can_classify, classifying
from figureground.capture.naming import module_of, named_run, shown_layer
from figureground.capture.stem import Stem, stem_of
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
    recorders: Sequence[contextlib.AbstractContextManager[object]] = (),
) -> Captured:
    """Run the network once in evaluation mode and record what the layers returned.

    No graph is recorded below the layers: at the first of them the activation becomes a leaf, and only
    the part of the network above it is recorded. So no parameter needs to require a gradient, none gets
    one, and it works in a caller's ``no_grad`` or ``inference_mode``. A layer that runs several times
    counts with its last run, unless its name says another (``backbone@1``). What is recorded is a layer's own
    output, also where the next module rewrites it in place.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``, what the network takes.
        layers: The layers.
        gradient: Whether gradients will be asked for.
        precision: ``bf16`` or ``fp16`` run under autocast, ``fp32`` outside it; None leaves the caller's setting.
        output: How to find the logits in what the model returns.
        recorders: What else looks at the run; entered around it, and anew where the network runs again.

    Returns:
        Logits and activations; ask it for gradients.

    Raises:
        LayerError: A layer was not reached, has no spatial extent, or its batch is not the images'.
        ModelError: The network failed on these images.
    """
    names = [layer.name for layer in layers]
    with torch.inference_mode(mode=False), borrowed(model), autocast(images, precision):
        images = images.clone() if images.is_inference() else images
        listener = Listener(model, names, gradient=gradient)
        with torch.no_grad(), _entered(recorders):
            logits = forward(model, images, listener=listener, output=output)
        if gradient and not all(_is_used(logits, listener.of(model, name)) for name in names):
            # the network switches gradients off itself somewhere above a layer: begin with them on
            listener = Listener(model, names, gradient=True)
            with torch.enable_grad(), _entered(recorders):
                logits = forward(model, images, listener=listener, output=output)
    raw = {layer.name: listener.of(model, layer.name) for layer in layers}
    size = (int(images.shape[-2]), int(images.shape[-1]))
    grids: dict[str, Grid] = {}
    for layer in layers:
        tensor = raw[layer.name]
        if tensor is not None and tensor.ndim > 2 and len(tensor) != len(images):
            raise LayerError(other_batch(layer.name, len(tensor), len(images)))
        grid = _grid(layer, tensor, size=size, model=model)
        if grid is None:
            others = look(model, images, output).last_names()
            raise LayerError(_without_grid(layer.name, tensor, others))
        grids[layer.name] = grid
    kept = {name: tensor for name, tensor in raw.items() if tensor is not None}
    exact = all(tensor.dtype == torch.float32 for tensor in (*kept.values(), logits))
    with torch.enable_grad():
        return Captured(logits.float(), kept, grids, listener.classifying, exact, listener.stem)


@contextlib.contextmanager
def _entered(recorders: Sequence[contextlib.AbstractContextManager[object]]) -> Iterator[None]:
    """All of these contexts, one within the other."""
    with contextlib.ExitStack() as stack:
        for recorder in recorders:
            stack.enter_context(recorder)
        yield


def _is_used(logits: Tensor, raw: Tensor | None) -> bool:
    """Whether a gradient of the logits reaches a layer that was reached itself."""
    return raw is None or is_behind(logits, raw)


def other_batch(name: str, rows: int, images: int) -> str:
    """Why a layer whose batch is not the images' cannot be explained.

    Args:
        name: The layer.
        rows: Size of its output's first axis.
        images: Number of images that went in.

    Returns:
        A sentence.
    """
    return (
        f"layer '{shown_layer(name)}' gives a batch of {rows} for {amount(images, 'image')}: its rows "
        "are windows, crops, frames or something else than the images; name a layer that keeps the images apart "
        "('figureground ls layers' lists them)"
    )


class Listener:
    """Keeps what layers return, the input of the first convolution, and that of the last module that can be a head.

    Args:
        model: The network.
        names: The layers, with the run that is meant where one is.
        gradient: Whether a graph is recorded from the first of them on.
        every_run: Whether every run is kept, in place of the last and those that are meant.
    """

    def __init__(
        self, model: nn.Module, names: Iterable[str], *, gradient: bool, every_run: bool = False
    ) -> None:
        self.modules: dict[nn.Module, set[int | None]] = {}
        for name in names:
            self.modules.setdefault(module_of(model, name), set()).add(named_run(name)[1])
        self.gradient = gradient
        self.every_run = every_run
        self.runs: dict[nn.Module, int] = {}
        self.raw: dict[nn.Module, dict[int, Tensor]] = {}
        self.classifying: Classifying | None = None
        self.stem: Stem | None = None

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        """After a module: what goes on in place of its output, or None."""
        self.classifying = classifying(module, inputs) or self.classifying
        self.stem = self.stem or stem_of(module, inputs)
        tensor = first_tensor(output) if module in self.modules else None
        if tensor is None:
            return None
        if self.gradient and tensor.is_floating_point():
            # where the tensor is in the graph already, what else it leads to is no matter of this layer
            inside = tensor.requires_grad
            tensor = tensor.clone() if inside else tensor.detach().requires_grad_()
            torch.set_grad_enabled(mode=True)  # ends with the block around the whole run
        self.runs[module] = run = self.runs.get(module, 0) + 1
        kept = self.raw.setdefault(module, {})
        if not self.every_run and run - 1 not in self.modules[module]:
            kept.pop(run - 1, None)
        kept[run] = tensor
        # a copy goes on: an in-place ReLU after the layer may rewrite its input
        return with_first_tensor(output, tensor.clone())

    def of(self, model: nn.Module, name: str) -> Tensor | None:
        """What a layer returned in the run that its name says, else in its last one.

        Args:
            model: The network.
            name: ``backbone`` or ``backbone@1``.

        Returns:
            The tensor; None where the layer was not reached.

        Raises:
            LayerError: It did not run so often.
        """
        module, (layer, wanted) = module_of(model, name), named_run(name)
        ran = self.runs.get(module, 0)
        if not ran:
            return None
        if wanted is not None and wanted > ran:
            times = "once" if ran == 1 else f"{ran} times"
            raise LayerError(
                f"there is no run {wanted} of layer '{shown_layer(layer)}': it runs {times}"
            )
        return self.raw[module][wanted or ran]


def forward(
    model: nn.Module,
    images: Images,
    *,
    listener: Listener,
    output: Callable[[Any], Tensor] | None,
) -> Tensor:
    """The network's logits, listened to; for callers that have borrowed it.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``.
        listener: Hears the layers, the convolutions and whatever can be a head.
        output: How to find the logits in what the model returns.

    Returns:
        ``(N, L)``.

    Raises:
        ModelError: The network failed on these images.
        OutOfMemoryError: They are too many; a smaller batch may do.
    """
    heard = [m for m in model.modules() if can_classify(m) or isinstance(m, nn.Conv2d)]
    with listening(dict.fromkeys([*listener.modules, *heard]), listener):
        try:
            result = model(images)
        except torch.OutOfMemoryError:
            raise  # whoever chose the size of the batch may try a smaller one
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise ModelError(
                f"the model failed on images of shape {tuple(images.shape)}: {error}"
            ) from error
        return find_logits(result, len(images), output)


def run_logits(
    model: nn.Module,
    images: Images,
    *,
    precision: Precision | None = None,
    output: Callable[[Any], Tensor] | None = None,
) -> Logits:
    """Run the network in evaluation mode for its logits alone: no hook, no graph.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``.
        precision: As for ``run_once``.
        output: How to find the logits in what the model returns.

    Returns:
        ``(N, L)`` float32.
    """
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        borrowed(model),
        autocast(images, precision),
    ):
        return find_logits(model(images), len(images), output).float()


def present_precision(images: Tensor, precision: Precision | None) -> Precision:
    """What a run of the network would have here and now, to be had again elsewhere.

    Args:
        images: On the device where the network runs.
        precision: As asked for; None means the caller's autocast.

    Returns:
        The precision.
    """
    kind = images.device.type
    if precision is not None or not torch.is_autocast_enabled(kind):
        return precision or "fp32"
    return "bf16" if torch.get_autocast_dtype(kind) == torch.bfloat16 else "fp16"


def autocast(
    images: Tensor, precision: Precision | None
) -> contextlib.AbstractContextManager[object]:
    """Autocast as asked for.

    Args:
        images: On the device where the network runs.
        precision: None leaves the caller's setting.

    Returns:
        The context.
    """
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
    # as many tokens may lie otherwise over an image of another size, so that theirs is looked for anew
    if layer.grid is not None and layer.grid.layout != "tokens" and raw.ndim == 4:
        return layer.grid.of_shape(raw.shape)  # perhaps another size, the same axes
    grid = find_grid(raw, size, model=model, layer=module_of(model, layer.name))
    return None if grid is None or grid.size[0] * grid.size[1] == 1 else grid


def _without_grid(name: str, raw: Tensor | None, others: str) -> str:
    """Why a layer cannot be explained, and which ones can."""
    name = shown_layer(name)
    wrong = f"layer '{name}' was not reached when the model ran"
    if raw is not None:
        wrong = f"layer '{name}' gives {tuple(raw.shape)}, which has no positions (after pooling?)"
    return f"{wrong}; the last layers with positions: {others} ('figureground ls layers' lists all)"
