"""From an explanation to painted maps with their boxes."""

__all__ = ["Panel", "Stack", "painted_panels", "stacks_of"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from figureground.base.shapes import Images, MapsPerClass
from figureground.maps import diagnose, overlay, resize
from figureground.maps.boxes import largest_component_box
from figureground.maps.concepts import concept_panel
from figureground.maps.image_files import enlarged
from figureground.methods import Explanation
from figureground.studies.explain.options import ExplainOptions


@dataclass(frozen=True)
class Panel:
    """One map of one image, ready to be written.

    Args:
        method: Its name.
        layer: Name of the layer, or of the layers that were fused.
        position: Position of the class among the classes asked for; None for a class-free method.
        painted: The image with the map over it.
        box: x0, y0, x1, y1 in pixels of what the network saw; None where the method has no boxes or the
            map shows nothing.
        problem: Why the map shows nothing; None where it shows something.
    """

    method: str
    layer: str
    position: int | None
    painted: UInt8[np.ndarray, "H W 3"]
    box: Float[Tensor, "4"] | None
    problem: str | None


@dataclass(frozen=True)
class Stack:
    """The maps of one method at one layer.

    Args:
        method: Its name.
        layer: As in a panel.
        maps: Raw, ``(N, K, h, w)``.
        class_specific: Whether there is one map per class.
        problems: Image and position -> why that map shows nothing.
    """

    method: str
    layer: str
    maps: MapsPerClass
    class_specific: bool
    problems: dict[tuple[int, int], str]

    @property
    def is_concepts(self) -> bool:
        """Whether the maps belong to concepts, which are drawn together."""
        return self.method == "dff"


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
        specific = kind.class_specific
        if not isinstance(found, Tensor):
            stacks += [
                Stack(method, _plain(layer), maps, specific, _problems(explanation, method, layer))
                for layer, maps in found.items()
            ]
        elif len(explanation.layers) == 1 or not kind.per_layer:
            layer = explanation.layers[0].name
            label = _plain(layer) if kind.per_layer else "all layers"
            problems = _problems(explanation, method, layer)
            stacks.append(Stack(method, label, found, specific, problems))
        else:
            names = " + ".join(_plain(one.name) for one in explanation.layers)
            fused = {(one.image, one.class_position): one.message for one in diagnose(found)}
            stacks.append(Stack(method, names, found, specific, fused))
    return stacks


def painted_panels(
    stacks: list[Stack], images: Images, drawing: ExplainOptions, *, first: int
) -> list[list[Panel]]:
    """Every map of some images of a batch, painted, with its box.

    Args:
        stacks: Of the batch.
        images: ``(n, C, H, W)`` in [0, 1]: some images of the batch, one after the other.
        drawing: Colours and boxes.
        first: Position of the first of them in the batch.

    Returns:
        The panels of each of the n images.
    """
    panels: list[list[Panel]] = [[] for _ in images]
    enlarged_images = enlarged(images, drawing.thumbnail)
    size = (int(images.shape[-2]), int(images.shape[-1]))
    for stack in stacks:
        maps = stack.maps[first : first + len(images)]
        painted = _painted(stack, maps, enlarged_images, drawing=drawing)
        boxes = None if stack.is_concepts else _boxes(maps, size, drawing.box_fraction)
        for image, position in np.ndindex(*painted.shape[:2]):
            problem = stack.problems.get((first + image, position))
            blank = boxes is None or problem is not None or not bool(boxes[image, position].any())
            panels[image].append(
                Panel(
                    method=stack.method,
                    layer=stack.layer,
                    position=position if stack.class_specific else None,
                    painted=painted[image, position],
                    box=None if blank or boxes is None else boxes[image, position],
                    problem=problem,
                )
            )
    return panels


def _problems(explanation: Explanation, method: str, layer: str) -> dict[tuple[int, int], str]:
    """Image and position -> what is wrong with that map."""
    return {
        (one.image, one.class_position): one.message
        for one in explanation.problems
        if (one.method, one.layer) == (method, layer)
    }


def _painted(
    stack: Stack, maps: MapsPerClass, enlarged_images: Images, *, drawing: ExplainOptions
) -> UInt8[np.ndarray, "N _ H W 3"]:
    """Images with each map over them; for concepts one image with all."""
    if stack.is_concepts:
        return concept_panel(enlarged_images, maps)[:, None].cpu().numpy()
    n, k = maps.shape[:2]
    repeated = enlarged_images[:, None].expand(-1, k, -1, -1, -1).flatten(0, 1)
    flat = overlay(
        repeated,
        maps.flatten(0, 1),
        colour_map=drawing.colour_map,
        alpha_by_value=drawing.alpha_by_value,
    )
    return flat.reshape(n, k, *flat.shape[1:]).cpu().numpy()


def _boxes(maps: MapsPerClass, size: tuple[int, int], fraction: float) -> Float[Tensor, "N K 4"]:
    """The box of each map in pixels of what the network saw; zeros where nothing is positive."""
    large = resize(maps.relu(), size)
    return largest_component_box(large, threshold_fraction=fraction, on_blank="empty")


def _plain(layer: str) -> str:
    """A layer's name as the network's owner knows it."""
    return layer.removeprefix("network.")
