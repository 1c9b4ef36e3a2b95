"""What one run of a network recorded: logits, activations of some layers, and gradients where asked for."""

__all__ = ["Captured"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from figureground.capture.naming import shown_layer
from figureground.capture.stem import Stem


@dataclass
class Captured:
    """What one run of a network recorded.

    Args:
        logits: ``(N, L)`` float32.
        raw: Layer name -> output as the layer returned it (of its last call), part of the graph where there is one.
        grids: Layer name -> how that lies over the image.
        classifying: The last linear or 1×1-convolution module that ran.
        exact: Whether the network ran in float32, so that equalities hold closely.
        stem: The first convolution that ran.
    """

    logits: Logits
    raw: dict[str, Tensor]
    grids: dict[str, Grid]
    classifying: Classifying | None = None
    exact: bool = True
    stem: Stem | None = None

    @cached_property
    def activations(self) -> dict[str, FeatureMaps]:
        """Layer name -> ``(N, C, h, w)`` float32, without a graph: the map whose average a linear head sees.

        A function between the layer and that average (DenseNet's last ReLU, which is no module) is applied, for every
        method alike.
        """
        found = {}
        for name in self.raw:
            recognised = self._recognised[name]
            maps = self._maps(name)
            found[name] = maps if recognised is None else recognised.averaged(maps)
        return found

    def head(self, layer: str) -> ClassMapHead | None:
        """The linear head over the average of this layer's ``activations``, recognised from the numbers, or None."""
        found = self._recognised[layer]
        return None if found is None else replace(found, inner="identity")

    @cached_property
    def _recognised(self) -> dict[str, ClassMapHead | None]:
        """Layer -> the head over what it returned itself."""
        return {
            name: recognise_head(
                self.classifying,
                self._maps(name),
                self.logits.detach(),
                tolerance=tolerance(self.exact),
            )
            for name in self.raw
        }

    def _maps(self, layer: str) -> FeatureMaps:
        """What the layer returned, as maps."""
        return self.grids[layer].to_grid(self.raw[layer].detach()).float()

    def gradients(self, directions: Directions) -> dict[str, Tensor]:
        """Gradients of combinations of logits with respect to every layer.

        Args:
            directions: K classes or combinations of logits.

        Returns:
            Layer name -> ``(N, K, C, h, w)`` float32; ``(N, K, C, 1, 1)`` or ``(1, K, C, 1, 1)`` where
            the gradient is the same at every position (for every image), which an average-pooled
            linear head gives without any backward pass.

        Raises:
            LayerError: No gradient of the logits reaches one of the layers.
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
            raise LayerError(_unreached(layers))
        inputs = [self.raw[name] for name in layers]
        per_class: dict[str, list[Tensor]] = {name: [] for name in layers}
        for k in range(directions.count):
            # autograd.grad, not backward(): no parameter's .grad may change under a caller's training step
            cotangent = directions.cotangent(k, self.logits)
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                self.logits, inputs, cotangent, retain_graph=True, allow_unused=True
            )
            for name, gradient in zip(layers, found, strict=True):
                if gradient is None:
                    raise LayerError(_unreached([name]))
                per_class[name].append(self.grids[name].to_grid(gradient).float())
        return {name: torch.stack(gradients, 1) for name, gradients in per_class.items()}


def _unreached(layers: Sequence[str]) -> str:
    return (
        f"the logits do not depend on {', '.join(map(shown_layer, layers))}: no gradient reaches it"
    )
