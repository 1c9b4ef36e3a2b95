"""First and second derivatives of a class's evidence, for methods that weigh how gradients change."""

__all__ = ["Derivatives", "rest_derivatives"]

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from figureground.base.errors import LayerError
from figureground.base.shapes import Gradients, Logits
from figureground.capture.captured import Captured
from figureground.capture.head import ClassMapHead, Directions
from figureground.capture.naming import shown_layer

_CUTS = {"Error", "NotImplemented"}  # torch's names of operations without a derivative


@dataclass(frozen=True)
class Derivatives:
    """Of one layer.

    Args:
        gradients: ``∇s``, ``(N, K, C, h, w)``, or ``(N, K, C, 1, 1)`` where the same at every position.
        curvatures: ``H·A``, the Hessian times the activations, the same shape.
    """

    gradients: Gradients
    curvatures: Gradients


def rest_derivatives(run: Captured, directions: Directions) -> dict[str, Derivatives]:
    """Gradient and Hessian times activations of ReST, ``y + log p``, the evidence that Shapley-CAM explains.

    On a pooled linear head in closed form; elsewhere by a backward pass, and one through it, for each class and layer.

    Args:
        run: What the network left, recorded with gradients.
        directions: K classes; a function of the logits stays as it is, without the logarithm.

    Returns:
        Layer -> derivatives, float32.

    Raises:
        LayerError: The logits do not depend on a layer, or something above it cannot be differentiated twice.
    """
    found: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in run.raw}
    heads = {name: run.head(name) for name in run.raw}
    closed = {name: head for name, head in heads.items() if head and head.constant_gradient}
    others = [name for name in run.raw if name not in closed]
    with torch.enable_grad():
        for k in range(directions.count):
            for name, head in closed.items():
                found[name].append(_of_head(run, directions, k, layer=name, head=head))
            if others:
                value = _rest(directions, k, run.logits).sum()
                raw = [run.raw[name] for name in others]
                for name, pair in zip(others, _twice(value, raw, layers=others), strict=True):
                    maps = (run.grids[name].to_grid(one).float() for one in pair)
                    found[name].append((next(maps), next(maps)))
    return {name: Derivatives(*(torch.stack(one, 1) for one in zip(*pairs, strict=True)))
            for name, pairs in found.items()}  # fmt: skip


def _rest(directions: Directions, position: int, logits: Logits) -> Float[Tensor, " N"]:
    """``y + log p`` of one class for each image."""
    score = (directions.cotangent(position, logits) * logits).sum(1)
    if directions.dense is not None:
        return score
    one_logit = logits.shape[1] == 1
    return score + (F.logsigmoid(score) if one_logit else score - logits.logsumexp(1))


def _of_head(
    run: Captured, directions: Directions, position: int, *, layer: str, head: ClassMapHead
) -> tuple[Tensor, Tensor]:
    """Both derivatives by the chain rule: the logits are linear in the averaged map."""
    maps, logits = run.activations[layer], run.logits.detach().requires_grad_()
    value = _rest(directions, position, logits).sum()
    (gradient,) = torch.autograd.grad(value, logits, create_graph=True)
    curvature = _along(gradient, logits, F.linear(maps.mean((2, 3)), head.weight))
    count = maps.shape[2] * maps.shape[3]
    first, second = (
        (one.detach() @ head.weight / count)[..., None, None] for one in (gradient, curvature)
    )
    return first, second


def _twice(value: Tensor, raw: list[Tensor], *, layers: list[str]) -> list[tuple[Tensor, Tensor]]:
    """Gradient of a value, and its change along the layer's own output."""
    gradients = torch.autograd.grad(value, raw, create_graph=True, allow_unused=True)
    pairs = []
    for name, output, gradient in zip(layers, raw, gradients, strict=True):
        if gradient is None:
            raise LayerError(
                f"the logits do not depend on {shown_layer(name)}: no gradient reaches it"
            )
        if _is_cut(gradient):
            raise LayerError(
                f"what lies above {shown_layer(name)} cannot be differentiated twice; use grad-cam"
            )
        curvature = _along(gradient, output, output.detach())
        pairs.append((gradient.detach(), curvature))
    return pairs


def _along(gradient: Tensor, point: Tensor, direction: Tensor) -> Tensor:
    """The derivative of a gradient along a direction; zero where it is constant."""
    if not gradient.requires_grad:
        return torch.zeros_like(point)
    (found,) = torch.autograd.grad(
        gradient, point, direction, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return found


def _is_cut(gradient: Tensor) -> bool:
    """Whether an operation behind a gradient has none itself: ``autograd.grad`` would take it for a constant."""
    seen: set[Any] = set()
    rest: list[Any] = [gradient.grad_fn]
    while rest:
        node = rest.pop()
        if node is None or node in seen:
            continue
        if node.name().rpartition("::")[2] in _CUTS:
            return True
        seen.add(node)
        rest += [following for following, _ in node.next_functions]
    return False
