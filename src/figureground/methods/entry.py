"""What is known of a method without loading it."""

__all__ = ["MethodEntry", "Need"]

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from figureground.base.paper import Paper

Need = Literal["gradients", "class-maps", "tape", "concept-logits"]


@dataclass(frozen=True)
class MethodEntry:
    """A line of the registry: the description of a method, and where its class is.

    Args:
        name: As users type it.
        title: As printed.
        where: Its class, as ``file.Class`` in this folder.
        paper: Where it comes from.
        needs: What the explainer must provide beyond activations and logits.
        class_specific: Whether the map depends on the class; otherwise K = 1 (or one map per concept).
        per_layer: Whether the map depends on the layer.
        signed: Whether negative values carry meaning (evidence against).
    """

    name: str
    title: str
    where: str
    paper: Paper
    needs: frozenset[Need] = frozenset()
    class_specific: bool = True
    per_layer: bool = True
    signed: bool = False

    @property
    def kind(self) -> str:
        """Name of the class: ``GradCAM``."""
        return self.where.partition(".")[2]

    @property
    def address(self) -> str:
        """Module and name of the class: ``figureground.methods.grad_cam:GradCAM``."""
        return "figureground.methods." + self.where.replace(".", ":")

    def load(self) -> type[Any]:
        """The class of the method, a ``CamMethod``; importing it loads torch."""
        module, _, kind = self.address.partition(":")
        return getattr(import_module(module), kind)
