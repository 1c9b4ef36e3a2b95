"""What one run of a network recorded: logits, activations of some layers, and gradients where asked for."""

__all__ = ["Captured"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from figureground.base.errors import LayerError
from figureground.base.shapes import FeatureMaps, Logits
from figureground.capture.grid import Grid
from figureground.capture.head import (
    Classifying,
    ClassMapHead,
    Directions,
    recognise_head,
    tolerance,
)


@dataclass
class Captured:
    """What one run of a network recorded.

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
        return {
            name: self.grids[name].to_grid(raw.detach()).float() for name, raw in self.raw.items()
        }

    def head(self, layer: str) -> ClassMapHead | None:
        """The linear head over this layer's averaged map, recognised from the numbers; None where there is none."""
        if layer not in self._heads:
            maps = self.activations[layer]
            self._heads[layer] = recognise_head(
                self.classifying, maps, self.logits.detach(), tolerance=tolerance(self.exact)
            )
        return self._heads[layer]

    def gradients(self, directions: Directions) -> dict[str, Tensor]:
        """Gradients of combinations of logits with respect to every layer.

        Args:
            directions: K classes or combinations of logits.

        Returns:
            Layer name -> ``(N, K, C, h, w)`` float32; ``(N, K, C, 1, 1)`` or ``(1, K, C, 1, 1)`` where
            the gradient is the same at every position (for every image), which an average-pooled
            linear head gives without any backward pass.

        Raises:
            LayerError: The logits do not depend on any of the layers.
        """
        closed = {
            name: head for name in self.raw if (head := self.head(name)) and head.constant_gradient
        }
        found = {
            name: self._constant_gradient(name, head, directions) for name, head in closed.items()
        }
        if len(found) < len(self.raw):
            found |= self._backward([name for name in self.raw if name not in found], directions)
        return found

    def _constant_gradient(self, layer: str, head: ClassMapHead, directions: Directions) -> Tensor:
        """Of a pooled linear head: weight / number of positions."""
        h, w = self.grids[layer].size
        return (directions.weights(head.weight) / (h * w))[..., None, None]

    def _backward(self, layers: Sequence[str], directions: Directions) -> dict[str, Tensor]:
        """One small backward pass of the part above the layers for each direction."""
        if not self.logits.requires_grad:
            raise LayerError(
                f"the logits do not depend on {', '.join(layers)}: no gradient reaches it"
            )
        inputs = [self.raw[name] for name in layers]
        per_class: dict[str, list[Tensor]] = {name: [] for name in layers}
        for k in range(directions.count):
            # autograd.grad, not backward(): no parameter's .grad may change under a caller's training step
            cotangent = directions.cotangent(k, self.logits)
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                self.logits, inputs, cotangent, retain_graph=True, allow_unused=True
            )
            for name, raw, gradient in zip(layers, inputs, found, strict=True):
                whole = torch.zeros_like(raw) if gradient is None else gradient
                per_class[name].append(self.grids[name].to_grid(whole).float())
        return {name: torch.stack(gradients, 1) for name, gradients in per_class.items()}
