"""One run of the network, every method served from it; and which of the maps show nothing, and why."""

__all__ = ["Computed", "ExplanationProblem", "Recorded", "compute_maps", "find_problems"]

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import HeadError
from figureground.base.shapes import Images, MapsPerClass
from figureground.capture import Captured, Directions, Finding, finite_images
from figureground.capture.attention import Attention
from figureground.capture.biases import Biases
from figureground.capture.naming import shown_layer
from figureground.capture.second_derivative import rest_derivatives
from figureground.maps import MapProblem, diagnose
from figureground.methods.completeness import MOST_MISSING, Completeness
from figureground.methods.method import CamMethod, MethodInputs, MethodResult
from figureground.methods.registry import Need
from figureground.methods.sweeps import Sweeps
from figureground.methods.targets import Targets

_DEAD = "the layer's activations are all zero for this image: nothing above it can tell one place from another"
_NOTHING = "every value is zero: the method found nothing to show in this image"
_NO_GRADIENT = (
    "the gradient is zero everywhere for this image: between this layer and the class score all units are dead or "
    "saturated, or have weights of zero; a method without gradients (eigen-cam) still works"
)


@dataclass(frozen=True)
class ExplanationProblem:
    """One map that should not be read.

    Args:
        method: Name of the method.
        layer: Name of the layer.
        image: Position in the batch.
        class_position: Position among the classes asked for.
        kind: ``non-finite``, ``dead-layer``, ``zero-gradient``, ``zero``, ``constant`` or ``negative-only``;
            ``small-layer`` where the method shows nothing of any layer of this size; ``several-runs`` where the layer
            ran on different things and none of its runs was chosen; or ``incomplete`` where terms do not add up to
            the score (full-grad).
        message: One sentence.
    """

    method: str
    layer: str
    image: int
    class_position: int
    kind: str
    message: str


@dataclass
class Computed:
    """What the methods made of one run.

    Args:
        maps: Method -> layer -> raw maps ``(N, K, h, w)``.
        details: Method -> layer -> what else it found, one item for each part of the classes.
        zero_gradients: Layer -> ``(N, K)``, whether the gradient is zero everywhere; for requests with gradients.
    """

    maps: dict[str, dict[str, MapsPerClass]]
    details: dict[str, dict[str, list[Any]]]
    zero_gradients: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a run beside its layers, each where a method needs it.

    Args:
        tape: The operations.
        attention: The calls of attention.
        biases: What was added to the channels.
    """

    tape: Any = None
    attention: Attention | None = None
    biases: Biases | None = None


def find_problems(
    computed: Computed,
    run: Captured,
    methods: Mapping[str, CamMethod],
    *,
    findings: Mapping[str, Finding],
) -> tuple[ExplanationProblem, ...]:
    """Blank, constant and non-finite maps, each with its cause where the run shows it.

    Args:
        computed: The maps.
        run: The run they come from.
        methods: Name -> method.
        findings: Layer -> what the check of it found.

    Returns:
        The problems, in the order of methods, layers, images and classes.
    """
    found = []
    dead = {layer: (~a.flatten(1).any(1)).tolist() for layer, a in run.activations.items()}
    flat = {layer: zeros.tolist() for layer, zeros in computed.zero_gradients.items()}
    for name, per_layer in computed.maps.items():
        method = methods[name]
        for layer, maps in per_layer.items():
            several = findings[layer].several_runs if method.per_layer else ""
            if several:
                found += [
                    ExplanationProblem(name, layer, image, position, "several-runs", several)
                    for image, position in np.ndindex(*maps.shape[:2])
                ]
                continue
            zeros = flat.get(layer) if "gradients" in method.needs else None
            for problem in diagnose(maps):
                image, position = problem.image, problem.class_position
                if problem.kind == "negative-only" and not method.class_specific:
                    continue
                zero = zeros is not None and zeros[image][position]
                size = (int(maps.shape[2]), int(maps.shape[3]))
                kind, message = _cause(problem, method, size, dead=dead[layer][image], flat=zero)
                found.append(ExplanationProblem(name, layer, image, position, kind, message))
        found += _incomplete(name, computed)
    return tuple(found)


def _incomplete(name: str, computed: Computed) -> list[ExplanationProblem]:
    """Maps of a method that takes scores apart, whose terms do not add up to them."""
    found = []
    for layer, parts in computed.details[name].items():
        sums = [one for one in parts if isinstance(one, Completeness)]
        missing = torch.cat([one.missing for one in sums], 1) if sums else torch.zeros(0, 0)
        for image, position in (
            missing[: len(computed.maps[name][layer])] > MOST_MISSING
        ).nonzero():
            part = float(missing[image, position])
            message = (
                f"input and bias terms miss {part:.0%} of the score: the network is far from piecewise linear (gates, "
                "clipped or smooth activations) or adds what was not seen; the map shows a part of what makes the score"
            )
            at = (int(image), int(position))
            found.append(ExplanationProblem(name, layer, *at, "incomplete", message))
    return found


def _cause(
    problem: MapProblem, method: CamMethod, size: tuple[int, int], *, dead: bool, flat: bool
) -> tuple[str, str]:
    """The first cause that explains the blank map, else the finding itself."""
    if problem.kind == "non-finite":
        return problem.kind, problem.message
    if dead or flat:
        return ("dead-layer", _DEAD) if dead else ("zero-gradient", _NO_GRADIENT)
    if problem.kind != "zero":
        return problem.kind, problem.message
    small = method.why_blank(*size)
    whole = problem.message if method.class_specific else _NOTHING
    return ("small-layer", small) if small else (problem.kind, whole)


# classes are taken in parts, so that gradients × classes never hold more numbers than this at a time
_MOST_NUMBERS = 2**26


def compute_maps(
    run: Captured,
    methods: Mapping[str, CamMethod],
    targets: Targets,
    *,
    images: Images,
    recorded: Recorded,
    sweeps: Mapping[str, Sweeps],
) -> Computed:
    """Raw maps of every method for every layer and class from one run.

    Gradients are computed once per class and layer and shared by all methods; classes are taken in parts that bound the
    memory. A method that does not look at a layer runs once, whatever the number of layers.

    Args:
        run: What the network left.
        methods: Name -> method.
        targets: The K classes or functions.
        images: ``(N, C, H, W)`` as they went in.
        recorded: What else was recorded of the run.
        sweeps: Layer -> what the network says to other maps of it, and to other images.

    Returns:
        The maps and what else was found.

    Raises:
        HeadError: ``cam`` was asked for and the head is not linear.
    """
    parts: dict[tuple[str, str], list[MethodResult]] = {}
    zeros: dict[str, list[Tensor]] = {}
    first = next(iter(run.activations))
    needs: set[Need] = set().union(*(method.needs for method in methods.values()))
    for is_first, part in _parts(targets, run):
        gradients = run.gradients(part.directions) if "gradients" in needs else {}
        for layer, gradient in gradients.items():
            flat = gradient.flatten(2).abs().amax(-1) == 0
            zeros.setdefault(layer, []).append(flat.expand(len(images), -1))
        derivatives = rest_derivatives(run, part.directions) if "second-derivative" in needs else {}
        for layer, activations in run.activations.items():
            inputs = MethodInputs(
                images,
                activations,
                run.logits,
                part.directions,
                gradients.get(layer),
                _class_maps(run, layer, part.directions) if "class-maps" in needs else None,
                recorded.tape,
                _concept_logits(run, layer, sweeps[layer]),
                derivatives.get(layer),
                part,
                sweeps[layer],
                recorded.attention,
                recorded.biases,
            )
            for name, method in methods.items():
                if (method.class_specific or is_first) and (method.per_layer or layer == first):
                    parts.setdefault((name, layer), []).append(method.result(inputs))
    fine = {layer: finite_images(a, run.logits) for layer, a in run.activations.items()}
    computed = _joined(parts, {layer: torch.cat(found, 1) for layer, found in zeros.items()})
    for per_layer in computed.maps.values():
        for (
            layer,
            maps,
        ) in per_layer.items():  # whatever a method made of values that are no numbers
            per_layer[layer] = maps.masked_fill(~fine[layer][:, None, None, None], torch.nan)
    return computed


def _parts(targets: Targets, run: Captured) -> Iterator[tuple[bool, Targets]]:
    """The classes, as many at a time as the memory allows; with each part whether it is the first."""
    step = max(1, _MOST_NUMBERS // max(a.numel() for a in run.activations.values()))
    count = targets.directions.count
    for start in range(0, count, step):
        yield start == 0, targets.part(start, min(start + step, count))


def _joined(
    parts: Mapping[tuple[str, str], list[MethodResult]], zeros: dict[str, Tensor]
) -> Computed:
    """The parts of the classes put together again."""
    maps: dict[str, dict[str, MapsPerClass]] = {}
    details: dict[str, dict[str, list[Any]]] = {}
    for (name, layer), found in parts.items():
        maps.setdefault(name, {})[layer] = torch.cat([one.maps for one in found], 1)
        details.setdefault(name, {})[layer] = [one.details for one in found]
    return Computed(maps, details, zeros)


def _class_maps(run: Captured, layer: str, directions: Directions) -> MapsPerClass:
    """The linear head's maps, or a refusal that says what would work."""
    head, activations = run.head(layer), run.activations[layer]
    if head is None and not bool(finite_images(activations, run.logits).any()):
        n, _, h, w = activations.shape
        return activations.new_full((n, directions.count, h, w), torch.nan)
    if head is None:
        asked = f"logits that are linear in the averaged map of layer '{shown_layer(layer)}'"
        message = f"cam needs {asked}; this model's are not"
        raise HeadError(
            f"{message} (more than one linear layer, or another layer in between): use hires-cam or grad-cam"
        )
    return head.class_maps(activations, directions)


def _concept_logits(run: Captured, layer: str, sweeps: Sweeps) -> Callable[[Tensor], Tensor]:
    """How the classifier judges concept vectors: as maps that hold nothing else, in the place of the layer's."""
    h, w = run.grids[layer].size
    return lambda vectors: sweeps.replay(0, vectors[:, :, None, None].expand(-1, -1, h, w))
