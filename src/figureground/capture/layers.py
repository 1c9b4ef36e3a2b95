"""Which layer to explain: by name, or by looking at the network as it runs."""

__all__ = ["LayerChoice", "choose_layer", "named_layer"]

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from typing import Any

from torch import nn

from figureground.base.amount import amount
from figureground.base.errors import LayerError
from figureground.base.shapes import Images
from figureground.capture.check import Finding, check_layers
from figureground.capture.grid import Grid
from figureground.capture.naming import named_run, shown_layer
from figureground.capture.run import Precision
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
            ``backbone@1`` means the first run of a layer that runs several times; without a number the last one counts.

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
    plain, run = named_run(layer)
    wanted = "" if run is None else f"@{run}"
    if plain in modules:
        return LayerChoice(layer, "given by the caller")
    fitting = [name for name in modules if name.endswith("." + plain)]
    if fitting:
        shortest = min(fitting, key=lambda name: name.count("."))
        if [name.count(".") for name in fitting].count(shortest.count(".")) == 1:
            return LayerChoice(shortest + wanted, "given by the caller")
        raise LayerError(
            f"'{layer}' fits several layers: {', '.join(map(shown_layer, fitting[:5]))}; write more of the name"
        )
    known = [shown_layer(name) for name in modules if name != "network"]
    close = get_close_matches(shown_layer(plain), known, n=3, cutoff=0.3)
    hint = f"; closest: {', '.join(repr(name) for name in close)}" if close else ""
    raise LayerError(
        f"no layer '{layer}' in {type(model).__name__}{hint} "
        f"({len(modules)} modules; list those with positions with 'figureground ls layers')"
    )


def choose_layer(
    model: nn.Module,
    images: Images,
    output: Any = None,  # noqa: ANN401
    *,
    precision: Precision | None = None,
) -> LayerChoice:
    """The last layer that still knows where: found by running the network once on one image, and checked.

    For a convolutional network that is the last feature map before pooling; the last pooled map itself
    where that is what a linear head averages (LeNet with global average pooling). For a transformer it
    is the last sequence of tokens whose image tokens still reach the logits: where only the class token
    does, the norm that feeds the last attention (the gradient of everything after it is zero on the
    image tokens). What an attention computes inside itself and maps of the classes do not count, unless there is
    nothing else. For a segmentation network or a detector it is the last map of the backbone, before anything is
    enlarged or made into boxes. A layer that the check refuses (``check_layers``: its batch is not the images', it
    does not depend on them, its cells lie elsewhere, the logits do not depend on it) is passed over.

    Args:
        model: The network (unwrapped).
        images: ``(N, C, H, W)``; the first one is used.
        output: How to find the logits in what the model returns.
        precision: As for ``run_once``.

    Returns:
        The choice, with its reason and grid.

    Raises:
        LayerError: No layer has more than one position, or none passes the check; the message says why.
    """
    trace = look(model, images, output)
    wanted = _preferred(trace)
    if not wanted:
        raise LayerError(_nothing_spatial(model, trace))
    passed: list[tuple[Seen, str, Finding]] = []
    refused: list[str] = []
    for some in _in_parts(wanted):
        checked = partial(check_layers, model, images, output=output, precision=precision)
        found = checked([LayerChoice(seen.name, why) for seen, why in some])
        for seen, why in some:
            finding = _of_a_run(found[seen.name], checked)
            if not finding.right or finding.gradient == "none":
                refused.append(finding.fault(1) or finding.gradient_fault)
            elif finding.gradient in {"arrives", "unknown"}:
                return _choice(seen, why, finding)
            else:
                passed.append((seen, why, finding))
        if any(
            one.gradient == "cut" or one.grid is None or not one.grid.prefix for *_, one in passed
        ):
            break  # where only class tokens count, an earlier layer does better; elsewhere none does
    if passed:
        return _choice(*passed[0])
    raise LayerError(f"no layer of {type(model).__name__} passes the check; the last: {refused[0]}")


def _in_parts(wanted: list[tuple[Seen, str]]) -> Iterator[list[tuple[Seen, str]]]:
    """The best ones together, then the others, a few at a time: a graph is recorded from the earliest of them on."""
    best = sum(why != _EARLIER for _, why in wanted)
    yield wanted[:best]
    yield from (wanted[start : start + _AT_ONCE] for start in range(best, len(wanted), _AT_ONCE))


_AT_ONCE = 6


def _choice(seen: Seen, why: str, finding: Finding) -> LayerChoice:
    """With what the check found."""
    known = replace(seen, grid=finding.grid or seen.grid)
    return LayerChoice(finding.name, _reason(known, why), known.grid)


def _of_a_run(finding: Finding, checked: Callable[..., dict[str, Finding]]) -> Finding:
    """The last run that passes, of a layer whose last one does not."""
    if finding.right or finding.runs < 2:
        return finding
    names = [f"{finding.name}@{run}" for run in range(finding.runs - 1, 0, -1)]
    earlier = checked([LayerChoice(name, "") for name in names])
    return next((earlier[name] for name in names if earlier[name].right), finding)


def _preferred(trace: Trace) -> list[tuple[Seen, str]]:
    """Layers with positions, the best first, each with why it would be the one."""
    whole = [seen for seen in trace.spatial() if seen.shape[0] == 1]
    candidates = _candidates(trace, whole)
    if not candidates:
        return [(seen, "map of the classes: there is no other layer") for seen in reversed(whole)]
    last = candidates[-1]
    assert last.grid is not None  # noqa: S101 - spatial layers have one
    found = _of_backbone(trace, candidates)
    if found:
        return [*found, *_others(candidates, found)]
    if trace.averaged is not None and whole[-1].name == trace.averaged:
        found.append(
            (whole[-1], "last feature map, whose average is all that the linear head sees")
        )
    found += [(seen, _LAST) for seen in _same_tensor(candidates, last)]
    if last.grid.prefix:
        found.append((_norm_before_last_attention(trace, candidates), _NORM))
    return [*found, *_others(candidates, found)]


def _others(
    candidates: Sequence[Seen], found: Sequence[tuple[Seen, str]]
) -> list[tuple[Seen, str]]:
    """Candidates that are not yet among those found, the last first."""
    listed = {seen.name for seen, _ in found}
    return [(seen, _EARLIER) for seen in reversed(candidates) if seen.name not in listed]


def _of_backbone(trace: Trace, candidates: Sequence[Seen]) -> list[tuple[Seen, str]]:
    """The last map of lowest resolution, where a larger map of classes (segmentation) or boxes are made of it."""
    if trace.class_map is None and not trace.boxes:
        return []
    part = _first_part(candidates)
    fewest = min(map(_cells, part))
    if trace.class_map is not None and fewest >= trace.class_map[0] * trace.class_map[1]:
        return []
    last = [seen for seen in part if _cells(seen) == fewest][-1]
    why = _UNDER_BOXES if trace.boxes else _BACKBONE
    return [(seen, why) for seen in _same_tensor(part, last)]


def _first_part(candidates: Sequence[Seen]) -> Sequence[Seen]:
    """Those in the part of the network that runs first, where it holds at least half of all: the backbone; else all."""
    names = [seen.name.split(".") for seen in candidates]
    depth = 0
    while len({tuple(name[: depth + 1]) for name in names}) == 1 and depth < len(names[0]):
        depth += 1
    part = [
        seen
        for seen, name in zip(candidates, names, strict=True)
        if name[: depth + 1] == names[0][: depth + 1]
    ]
    if len(part) == len(candidates) or 2 * len(part) < len(candidates):
        return candidates
    return _first_part(part)


def _cells(seen: Seen) -> int:
    assert seen.grid is not None  # noqa: S101 - spatial layers have one
    return seen.grid.size[0] * seen.grid.size[1]


_BACKBONE = "last feature map of the backbone, before anything is enlarged to the map of classes"
_UNDER_BOXES = "last feature map of the backbone, from which the boxes are made"
_LAST = "last feature map before pooling"
_NORM = "the norm that feeds the last attention, since only prefix tokens reach the logits after it"
_EARLIER = "last layer whose positions reach the logits"


def _reason(seen: Seen, why: str) -> str:
    assert seen.grid is not None  # noqa: S101 - spatial layers have one
    (h, w), prefix = seen.grid.size, seen.grid.prefix
    tokens = f", {prefix} prefix tokens left out" if prefix else ""
    return f"{why}: {h}×{w} positions, {amount(seen.grid.channels, 'channel')}{tokens}"


def _same_tensor(candidates: Sequence[Seen], last: Seen) -> list[Seen]:
    """Modules that hand on this very tensor, the shortest path first; the later one first among equals."""
    same = [
        seen for seen in candidates if seen.tensor == last.tensor and not _is_nothing(seen.module)
    ]
    return sorted(same or [last], key=lambda seen: (seen.name.count("."), -seen.order))


def _candidates(trace: Trace, whole: Sequence[Seen]) -> list[Seen]:
    """Feature maps and token sequences, in order."""
    inside = tuple(f"{seen.name}." for seen in trace.seen if _is_attention(seen))
    pooled = {seen.tensor for seen in whole if is_pool(seen.module)}
    return [
        seen
        for seen in whole
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


def _norm_before_last_attention(trace: Trace, candidates: Sequence[Seen]) -> Seen:
    """The last normalisation of tokens that had finished when the last attention began."""
    before = [seen for seen in trace.seen if seen.order < candidates[-1].order]
    attentions = [seen for seen in before if _is_attention(seen)]
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
