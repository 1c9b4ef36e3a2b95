"""Which layer to explain: by name, or by looking at the network as it runs."""

__all__ = ["LayerChoice", "choose_layer", "named_layer"]

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from figureground.base.errors import LayerError
from figureground.base.shapes import Images
from figureground.capture.grid import Grid
from figureground.capture.head import Directions
from figureground.capture.run import run_once
from figureground.capture.trace import Seen, Trace, is_pool, look


@dataclass(frozen=True)
class LayerChoice:
    """A layer and why it is the one.

    Args:
        name: Dotted name in the model.
        reason: One sentence.
        grid: How its output lies over the image; None until the network has been run.
    """

    name: str
    reason: str
    grid: Grid | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


def named_layer(model: nn.Module, layer: str | nn.Module) -> LayerChoice:
    """The layer that the caller named.

    Args:
        model: The network.
        layer: Dotted name, the end of one that fits a single layer (``layer4`` for ``network.layer4``), or the module.

    Returns:
        The choice.

    Raises:
        LayerError: No such layer, with the closest names; or several fit.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    if isinstance(layer, nn.Module):
        found = [name for name, module in modules.items() if module is layer]
        if not found:
            raise LayerError(
                f"the layer given ({type(layer).__name__}) is not a part of {type(model).__name__}"
            )
        return LayerChoice(found[0], "given by the caller")
    if layer in modules:
        return LayerChoice(layer, "given by the caller")
    fitting = [name for name in modules if name.endswith("." + layer)]
    if fitting:
        shortest = min(fitting, key=lambda name: name.count("."))
        if [name.count(".") for name in fitting].count(shortest.count(".")) == 1:
            return LayerChoice(shortest, "given by the caller")
        raise LayerError(
            f"'{layer}' fits several layers: {', '.join(fitting[:5])}; write more of the name"
        )
    close = get_close_matches(layer, modules, n=3, cutoff=0.3)
    hint = f"; closest: {', '.join(repr(name) for name in close)}" if close else ""
    raise LayerError(
        f"no layer '{layer}' in {type(model).__name__}{hint} "
        f"({len(modules)} modules; list those with positions with 'figureground ls layers')"
    )


def choose_layer(model: nn.Module, images: Images, output: Any = None) -> LayerChoice:  # noqa: ANN401
    """The last layer that still knows where: found by running the network once on one image.

    Twice where the last layer holds tokens of a transformer with class tokens: whether its image tokens reach the
    logits is then asked of a gradient.

    For a convolutional network that is the last feature map before pooling; the last pooled map itself
    where that is what a linear head averages (LeNet with global average pooling). For a transformer it
    is the last sequence of tokens whose image tokens still reach the logits: where only the class token
    does, the norm that feeds the last attention (the gradient of everything after it is zero on the
    image tokens). What an attention computes inside itself and maps of the classes do not count.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``; the first one is used.
        output: How to find the logits in what the model returns.

    Returns:
        The choice, with its reason and grid.

    Raises:
        LayerError: No layer has more than one position.
    """
    trace = look(model, images, output)
    candidates = _candidates(trace)
    if not candidates:
        raise LayerError(_nothing_spatial(model, trace))
    if trace.averaged is not None:
        pooled = trace.spatial()[-1]
        why = "last feature map, whose average is all that the linear head sees"
        return LayerChoice(pooled.name, _reason(pooled, why), pooled.grid)
    last = _outermost(candidates, candidates[-1])
    assert last.grid is not None  # noqa: S101 - spatial layers have one
    if last.grid.prefix == 0 or _image_tokens_count(model, images, last, output=output):
        return LayerChoice(last.name, _reason(last, "last feature map before pooling"), last.grid)
    norm = _norm_before_last_attention(trace, candidates)
    why = (
        "the norm that feeds the last attention, since only prefix tokens reach the logits after it"
    )
    return LayerChoice(norm.name, _reason(norm, why), norm.grid)


def _reason(seen: Seen, why: str) -> str:
    assert seen.grid is not None  # noqa: S101 - spatial layers have one
    (h, w), prefix = seen.grid.size, seen.grid.prefix
    tokens = f", {prefix} prefix tokens left out" if prefix else ""
    return f"{why}: {h}×{w} positions, {seen.grid.channels} channels{tokens}"


def _outermost(candidates: Sequence[Seen], last: Seen) -> Seen:
    """Of the modules that hand on this very tensor, the one with the shortest path; the later one among equals."""
    same = [
        seen for seen in candidates if seen.tensor == last.tensor and not _is_nothing(seen.module)
    ]
    return min(same or [last], key=lambda seen: (seen.name.count("."), -seen.order))


def _candidates(trace: Trace) -> list[Seen]:
    """Feature maps and token sequences, in order."""
    inside = tuple(f"{seen.name}." for seen in trace.seen if _is_attention(seen))
    pooled = {seen.tensor for seen in trace.spatial() if is_pool(seen.module)}
    return [
        seen
        for seen in trace.spatial()
        if seen.tensor not in pooled
        and not seen.name.startswith(inside)
        and not _is_class_map(seen, trace)
        and type(seen.module).__name__ != "Permute"
    ]


def _is_nothing(module: nn.Module) -> bool:
    return isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d)


def _is_class_map(seen: Seen, trace: Trace) -> bool:
    """The maps of a classifier at every position (SqueezeNet, VOLO): already classes, no longer features."""
    if seen.grid is None or seen.grid.channels != trace.num_logits or seen.grid.layout == "nhwc":
        return False
    if seen.grid.layout == "tokens":
        return isinstance(seen.module, nn.Linear)
    makers = [
        other
        for other in trace.seen
        if isinstance(other.module, nn.Conv2d) and other.module.out_channels == trace.num_logits
    ]
    later = [
        o
        for o in trace.seen
        if isinstance(o.module, nn.Linear | nn.Conv2d) and o.order > seen.order
    ]
    return bool(makers) and makers[-1].order <= seen.order and not later


def _image_tokens_count(model: nn.Module, images: Images, seen: Seen, *, output: Any) -> bool:  # noqa: ANN401
    """Whether the logits change with the image tokens of this layer."""
    run = run_once(
        model, images[:1], [LayerChoice(seen.name, "", seen.grid)], gradient=True, output=output
    )
    uneven = torch.linspace(1, 2, run.logits.shape[1], device=run.logits.device)[None, None]
    try:
        gradient = run.gradients(Directions(dense=uneven))[seen.name]
    except LayerError:
        return False
    return bool(gradient.abs().amax() > 0)


def _norm_before_last_attention(trace: Trace, candidates: Sequence[Seen]) -> Seen:
    """The last normalisation of tokens that had finished when the last attention began."""
    attentions = [seen for seen in trace.seen if _is_attention(seen)]
    inside = attentions[-1].name + "." if attentions else "\0"
    began = min(
        (
            seen.order
            for seen in trace.seen
            if attentions and (seen is attentions[-1] or seen.name.startswith(inside))
        ),
        default=candidates[-1].order,
    )
    norms = [
        seen
        for seen in candidates
        if "norm" in type(seen.module).__name__.lower() and seen.order < began
    ]
    return norms[-1] if norms else candidates[-1]


def _is_attention(seen: Seen) -> bool:
    """An attention itself; a block that is named after its attention holds more than that."""
    if "block" in type(seen.module).__name__.lower():
        return False
    words = f"{type(seen.module).__name__} {seen.name.rsplit('.', 1)[-1]}".lower()
    return "attn" in words or "attention" in words


def _nothing_spatial(model: nn.Module, trace: Trace) -> str:
    h, w = trace.image_size
    return (
        f"no layer of {type(model).__name__} has more than one position for an image of {h}×{w}: "
        "a larger image or a network with feature maps is needed"
    )
