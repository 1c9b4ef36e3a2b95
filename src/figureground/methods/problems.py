"""Maps that show nothing, and the cause as far as the run tells it."""

__all__ = ["ExplanationProblem", "find_problems"]

from collections.abc import Mapping
from dataclasses import dataclass

from figureground.capture import Captured
from figureground.maps import MapProblem, diagnose
from figureground.methods.method import CamMethod
from figureground.methods.plan import Computed

_DEAD = "the layer's activations are all zero for this image: nothing above it can tell one place from another"
_NO_GRADIENT = (
    "the gradient is zero everywhere: the class score does not depend on this layer for this image"
)


@dataclass(frozen=True)
class ExplanationProblem:
    """One map that should not be read.

    Args:
        method: Name of the method.
        layer: Name of the layer.
        image: Position in the batch.
        class_position: Position among the classes asked for.
        kind: ``non-finite``, ``dead-layer``, ``zero-gradient``, ``zero``, ``constant`` or ``negative-only``.
        message: One sentence.
    """

    method: str
    layer: str
    image: int
    class_position: int
    kind: str
    message: str


def find_problems(
    computed: Computed, run: Captured, methods: Mapping[str, CamMethod]
) -> tuple[ExplanationProblem, ...]:
    """Blank, constant and non-finite maps, each with its cause where the run shows it.

    Args:
        computed: The maps.
        run: The run they come from.
        methods: Name -> method.

    Returns:
        The problems, in the order of methods, layers, images and classes.
    """
    found = []
    dead = {layer: (~a.flatten(1).any(1)).tolist() for layer, a in run.activations.items()}
    flat = {layer: zeros.tolist() for layer, zeros in computed.zero_gradients.items()}
    for name, per_layer in computed.maps.items():
        method = methods[name]
        for layer, maps in per_layer.items():
            zeros = flat.get(layer) if "gradients" in method.needs else None
            for problem in diagnose(maps):
                image, position = problem.image, problem.class_position
                if problem.kind == "negative-only" and not method.class_specific:
                    continue
                zero = zeros is not None and zeros[image][position]
                kind, message = _cause(problem, dead=dead[layer][image], flat=zero)
                found.append(ExplanationProblem(name, layer, image, position, kind, message))
    return tuple(found)


def _cause(problem: MapProblem, *, dead: bool, flat: bool) -> tuple[str, str]:
    """The first cause that explains the blank map, else the finding itself."""
    if problem.kind == "non-finite":
        return problem.kind, problem.message
    if dead:
        return "dead-layer", _DEAD
    return ("zero-gradient", _NO_GRADIENT) if flat else (problem.kind, problem.message)
