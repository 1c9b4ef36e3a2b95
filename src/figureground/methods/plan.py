"""One run of the network, every method served from it."""

__all__ = ["Computed", "compute_maps"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from figureground.base.errors import HeadError
from figureground.base.shapes import Images, MapsPerClass
from figureground.capture import Captured, Directions
from figureground.methods.dff import Concepts, DeepFeatureFactorization
from figureground.methods.method import CamMethod, MethodInputs, Need

# classes are taken in parts, so that gradients × classes never hold more numbers than this at a time
_MOST_NUMBERS = 2**26

Replay = Callable[[str, Tensor], Tensor]


@dataclass
class Computed:
    """What the methods made of one run.

    Args:
        maps: Method -> layer -> raw maps ``(N, K, h, w)``.
        concepts: Layer -> concepts of a factorization.
        zero_gradients: Layer -> ``(N, K)``, whether the gradient is zero everywhere; for requests with gradients.
    """

    maps: dict[str, dict[str, MapsPerClass]] = field(default_factory=dict)
    concepts: dict[str, Concepts] = field(default_factory=dict)
    zero_gradients: dict[str, Tensor] = field(default_factory=dict)


def compute_maps(
    run: Captured,
    methods: Mapping[str, CamMethod],
    directions: Directions,
    *,
    images: Images,
    tape: Any,  # noqa: ANN401 - a Tape or None
    replay: Replay,
) -> Computed:
    """Raw maps of every method for every layer and class from one run.

    Gradients are computed once per class and layer and shared by all methods; classes are taken in parts that bound the
    memory.

    Args:
        run: What the network left.
        methods: Name -> method.
        directions: The K classes.
        images: ``(N, C, H, W)`` as they went in.
        tape: Record of the operations, where a method needs it.
        replay: Logits of feature maps put in the place of a layer: ``replay(layer, maps)``.

    Returns:
        The maps and what else was found.

    Raises:
        HeadError: ``cam`` was asked for and the head is not linear.
    """
    computed = Computed({name: {} for name in methods})
    per_class = {name: method for name, method in methods.items() if method.class_specific}
    logits = run.logits
    for layer, activations in run.activations.items():
        plain = MethodInputs(images, activations, logits, directions, tape=tape)
        for name, method in methods.items():
            if isinstance(method, DeepFeatureFactorization):
                inputs = MethodInputs(
                    images,
                    activations,
                    logits,
                    directions,
                    concept_logits=_concept_logits(run, layer, replay),
                )
                computed.maps[name][layer], computed.concepts[layer] = method.maps_and_concepts(
                    inputs
                )
            elif name not in per_class:
                computed.maps[name][layer] = method.maps(plain)
    _class_specific(run, per_class, directions, computed=computed, images=images, tape=tape)
    return computed


def _class_specific(
    run: Captured,
    methods: Mapping[str, CamMethod],
    directions: Directions,
    *,
    computed: Computed,
    images: Images,
    tape: Any,  # noqa: ANN401
) -> None:
    """Fill in the maps of methods that depend on the class, a part of the classes at a time."""
    if not methods:
        return
    needs: set[Need] = set().union(*(method.needs for method in methods.values()))
    largest = max(a.numel() for a in run.activations.values())
    step = max(1, _MOST_NUMBERS // largest)
    parts: dict[tuple[str, str], list[Tensor]] = {}
    zeros: dict[str, list[Tensor]] = {}
    for start in range(0, directions.count, step):
        part = directions.part(start, min(start + step, directions.count))
        gradients = run.gradients(part) if "gradients" in needs else {}
        for layer, gradient in gradients.items():
            flat = gradient.flatten(2).abs().amax(-1) == 0
            zeros.setdefault(layer, []).append(flat.expand(len(images), -1))
        for layer, activations in run.activations.items():
            class_maps = _class_maps(run, layer, part) if "class-maps" in needs else None
            logits = run.logits.detach()
            inputs = MethodInputs(
                images, activations, logits, part, gradients.get(layer), class_maps, tape
            )
            for name, method in methods.items():
                parts.setdefault((name, layer), []).append(method.maps(inputs))
    for (name, layer), found in parts.items():
        computed.maps[name][layer] = torch.cat(found, 1)
    computed.zero_gradients = {layer: torch.cat(found, 1) for layer, found in zeros.items()}


def _class_maps(run: Captured, layer: str, directions: Directions) -> MapsPerClass:
    """The linear head's maps, or a refusal that says what would work."""
    head = run.head(layer)
    if head is None:
        message = f"cam needs logits that are linear in the averaged map of layer '{layer}'; this model's are not"
        raise HeadError(
            f"{message} (more than one linear layer, or another layer in between): use hires-cam or grad-cam"
        )
    return head.class_maps(run.activations[layer], directions)


def _concept_logits(run: Captured, layer: str, replay: Replay) -> Callable[[Tensor], Tensor]:
    """How the classifier judges concept vectors: by its linear head, else by running what lies above the layer."""
    head = run.head(layer)
    if head is not None and head.constant_gradient:
        return lambda vectors: F.linear(vectors, head.weight, head.bias)
    h, w = run.grids[layer].size
    return lambda vectors: replay(layer, vectors[:, :, None, None].expand(-1, -1, h, w))
