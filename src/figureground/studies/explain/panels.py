"""From an explanation to maps with their boxes, by image."""

__all__ = ["Panel", "Stack", "panels_of", "stacks_of"]

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from figureground.base.shapes import Maps, MapsPerClass
from figureground.maps import diagnose, resize
from figureground.maps.boxes import largest_component_box
from figureground.methods import Explanation

_SAME = 1 / 510  # half a level of a picture: they look the same


class Problem(NamedTuple):
    """What is wrong with a map: a word of ``methods.plan.ExplanationProblem``, and a sentence."""

    kind: str
    message: str

    @property
    def hides(self) -> bool:
        """Whether the map is not to be read at all; one that shows a part of what makes the score is."""
        return self.kind != "incomplete"


@dataclass(frozen=True)
class Panel:
    """One map of one image, ready to be painted.

    Args:
        method: Its name.
        layer: Name of the layer, or of the layers that were fused.
        position: Position of the class among the classes asked for; None for a class-free method.
        maps: ``(1, h, w)``, raw; of concepts ``(k, h, w)``.
        box: x0, y0, x1, y1 in pixels of what the network saw; None where the method has no boxes or the
            map shows nothing.
        problem: What is wrong with the map; None where nothing is.
        largest: Of concepts, the largest value of each in the batch, ``(k,)``.
        same_as: A method before it whose maps of this image are the same but for a factor.
    """

    method: str
    layer: str
    position: int | None
    maps: Maps
    box: Float[Tensor, "4"] | None
    problem: Problem | None
    largest: Float[Tensor, " k"] | None = None
    same_as: str | None = None


@dataclass(frozen=True)
class Stack:
    """The maps of one method at one layer.

    Args:
        method: Its name.
        layer: As in a panel.
        maps: Raw, ``(N, K, h, w)``.
        class_specific: Whether there is one map per class.
        problems: Image and position -> what is wrong with that map.
        is_concepts: Whether the maps belong to concepts, which are drawn together.
    """

    method: str
    layer: str
    maps: MapsPerClass
    class_specific: bool
    problems: dict[tuple[int, int], Problem]
    is_concepts: bool = False


def stacks_of(explanation: Explanation) -> list[Stack]:
    """The maps of an explanation by method and layer.

    Args:
        explanation: Of a batch.

    Returns:
        The stacks, in the order of methods and layers.
    """
    stacks = []
    for method, found in explanation.maps.items():
        kind = explanation.methods[method]
        for layer, maps in found.items() if isinstance(found, dict) else [(None, found)]:
            name, problems = _place(explanation, method, layer)
            problems = problems if problems is not None else _fused_problems(maps)
            concepts = kind.name == "dff"
            one = Stack(method, name, maps.cpu(), kind.class_specific, problems, concepts)
            stacks.append(one)
    return stacks


def _place(
    explanation: Explanation, method: str, layer: str | None
) -> tuple[str, dict[tuple[int, int], Problem] | None]:
    """Of which layer maps are, in words, and what is wrong with them; None where they are fused of several."""
    layers = explanation.layers
    if layer is not None:
        return _plain(layer), _problems(explanation, method, layer)
    if not explanation.methods[method].per_layer:
        return "all layers", _problems(explanation, method, layers[0].name)
    if len(layers) == 1:
        return _plain(layers[0].name), _problems(explanation, method, layers[0].name)
    return " + ".join(_plain(one.name) for one in layers), None


def _fused_problems(maps: MapsPerClass) -> dict[tuple[int, int], Problem]:
    """Image and position -> what is wrong with a fused map."""
    return {
        (one.image, one.class_position): Problem(one.kind, one.message) for one in diagnose(maps)
    }


def panels_of(
    stacks: list[Stack], size: tuple[int, int], box_fraction: float, *, first: int, count: int
) -> list[list[Panel]]:
    """Every map of some images of a batch, with its box.

    Args:
        stacks: Of the batch.
        size: Height and width of what the network saw.
        box_fraction: A map's box surrounds its largest region above this fraction of its maximum.
        first: Position of the first of the images in the batch.
        count: How many, one after the other.

    Returns:
        The panels of each of the images.
    """
    panels: list[list[Panel]] = [[] for _ in range(count)]
    chosen = slice(first, first + count)
    for stack, twins in zip(stacks, _twins(stacks, chosen), strict=True):
        maps = stack.maps[chosen]
        if stack.is_concepts:
            most = stack.maps.amax((0, 2, 3))
            for image, mine in enumerate(panels):
                problem = stack.problems.get((first + image, 0))
                about = (stack.method, stack.layer, None, maps[image], None, problem)
                mine.append(Panel(*about, largest=most))
            continue
        boxes = _boxes(maps, size, box_fraction)
        for image, position in np.ndindex(*maps.shape[:2]):
            problem = stack.problems.get((first + image, position))
            box = boxes[image, position]
            panels[image].append(
                Panel(
                    method=stack.method,
                    layer=stack.layer,
                    position=position if stack.class_specific else None,
                    maps=maps[image, position : position + 1],
                    box=None if (problem and problem.hides) or not bool(box.any()) else box,
                    problem=problem,
                    same_as=twins[image],
                )
            )
    return panels


def _twins(stacks: list[Stack], images: slice) -> list[list[str | None]]:
    """By stack and image, a stack before it that looks the same for every class; None where there is none."""
    found: list[list[str | None]] = []
    shown = [_shown(stack.maps[images]) for stack in stacks]
    for at, stack in enumerate(stacks):
        twins: list[str | None] = [None] * len(shown[at])
        for earlier in range(at):
            other = stacks[earlier]
            if not _comparable(stack, other):
                continue
            differ = (shown[at] - shown[earlier]).abs().amax((1, 2, 3))
            for image, much in enumerate(differ.tolist()):
                if much < _SAME and twins[image] is None and found[earlier][image] is None:
                    twins[image] = other.method
        found.append(twins)
    return found


def _comparable(one: Stack, other: Stack) -> bool:
    """Whether the maps of two stacks may be the same at all: of one layer, of the same classes, both with sense."""
    return (
        not one.is_concepts
        and (one.layer, one.class_specific) == (other.layer, other.class_specific)
        and one.maps.shape == other.maps.shape
        and one.problems == other.problems
    )


def _shown(maps: MapsPerClass) -> MapsPerClass:
    """What is painted of maps: positive values, of their largest."""
    positive = maps.nan_to_num(0, 0, 0).relu()
    return positive / positive.amax((-2, -1), keepdim=True).clamp_min(1e-30)


def _problems(explanation: Explanation, method: str, layer: str) -> dict[tuple[int, int], Problem]:
    """Image and position -> what is wrong with that map."""
    return {
        (one.image, one.class_position): Problem(one.kind, one.message)
        for one in explanation.problems
        if (one.method, one.layer) == (method, layer)
    }


def _boxes(maps: MapsPerClass, size: tuple[int, int], fraction: float) -> Float[Tensor, "N K 4"]:
    """The box of each map in pixels of what the network saw; zeros where nothing is positive."""
    large = resize(maps.relu(), size)
    return largest_component_box(large, threshold_fraction=fraction, on_blank="empty")


def _plain(layer: str) -> str:
    """A layer's name as the network's owner knows it."""
    return layer.removeprefix("network.")
