"""The head of a network: which logits are asked for, and whether they are a linear function of an averaged map."""

__all__ = [
    "ClassMapHead",
    "Classifying",
    "Directions",
    "can_classify",
    "classifying",
    "finite_images",
    "recognise_head",
    "tolerance",
]

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor, nn

from figureground.base.errors import ShapeError
from figureground.base.shapes import FeatureMaps, Logits, MapsPerClass

Function = Callable[[Tensor], Tensor]
_FUNCTIONS: dict[str, Function] = {
    "identity": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "gelu": F.gelu,
}


@dataclass(frozen=True)
class Directions:
    """K directions in the space of logits for each image, kept as class numbers wherever they are classes.

    Args:
        indices: ``(N, K)`` class numbers, or ``(1, K)`` where all images are asked for the same.
        signs: ``(N, K)`` or ``(1, K)``, 1 or -1 (the negative class of a one-logit network).
        dense: ``(N, K, L)`` weights, in place of ``indices``.
    """

    indices: Tensor | None = None
    signs: Tensor | None = None
    dense: Tensor | None = None

    def __post_init__(self) -> None:
        if (self.indices is None) == (self.dense is None):
            raise ShapeError("directions are either class numbers or dense weights")

    @property
    def count(self) -> int:
        """K."""
        return (self.indices if self.dense is None else self.dense).shape[1]  # type: ignore[union-attr]

    def part(self, start: int, stop: int) -> "Directions":
        """Directions ``start`` to ``stop`` (excluded)."""
        cut = [
            None if t is None else t[:, start:stop] for t in (self.indices, self.signs, self.dense)
        ]
        return Directions(*cut)

    def of_image(self, image: int) -> "Directions":
        """Those of one image, as directions that hold for whatever is compared with it."""
        one = [
            t if t is None or len(t) == 1 else t[image : image + 1]
            for t in (self.indices, self.signs, self.dense)
        ]
        return Directions(*one)

    def repeated(self, times: int) -> "Directions":
        """The same for a batch that holds every image ``times`` times, one whole copy after another."""

        def again(tensor: Tensor | None) -> Tensor | None:
            if tensor is None or tensor.shape[0] == 1:
                return tensor
            return tensor.repeat(times, *[1] * (tensor.ndim - 1))

        return Directions(again(self.indices), again(self.signs), again(self.dense))

    def weights(self, matrix: Tensor) -> Tensor:
        """Rows of a ``(L, C)`` matrix combined: ``(N, K, C)``, or ``(1, K, C)`` where all images share them."""
        if self.dense is not None:
            return self.dense @ matrix
        rows = matrix[self.indices]
        return rows if self.signs is None else rows * self.signs[..., None]

    def select(self, values: Tensor) -> Tensor:
        """Entries of ``(N, L, ...)`` combined along the second axis: ``(N, K, ...)``."""
        flat = values.flatten(2) if values.ndim > 2 else values[..., None]
        if self.dense is not None:
            picked = self.dense @ flat
        else:
            assert self.indices is not None  # noqa: S101 - one of the two is given
            index = self.indices.expand(values.shape[0], -1)[..., None].expand(
                -1, -1, flat.shape[2]
            )
            picked = flat.gather(1, index)
            picked = picked if self.signs is None else picked * self.signs[..., None]
        return picked.reshape(values.shape[0], self.count, *values.shape[2:])

    def cotangent(self, position: int, logits: Logits) -> Logits:
        """Direction number ``position`` as a gradient of the logits, ``(N, L)``."""
        if self.dense is not None:
            return self.dense[:, position].to(logits.dtype)
        assert self.indices is not None  # noqa: S101 - one of the two is given
        index = self.indices[:, position].expand(logits.shape[0])[:, None]
        ones = torch.ones_like(index, dtype=logits.dtype)
        if self.signs is not None:
            ones = ones * self.signs[:, position].expand(logits.shape[0])[:, None]
        return torch.zeros_like(logits).scatter(1, index, ones)


@dataclass(frozen=True)
class Classifying:
    """The last linear or 1×1-convolution module that ran: its parameters as they were then, and what went in.

    Args:
        weight: ``(L, C)`` or ``(L, C, 1, 1)``.
        bias: ``(L,)`` or None.
        features: Its input.
    """

    weight: Tensor
    bias: Tensor | None
    features: Tensor


def classifying(module: nn.Module, inputs: tuple[Any, ...]) -> Classifying | None:
    """A call of a module as that of a classifier's last layer, where it can be one.

    Args:
        module: The module that ran.
        inputs: What it was called with.

    Returns:
        The call; None unless the module ``can_classify`` and was called with a tensor.
    """
    if can_classify(module) and inputs and isinstance(inputs[0], Tensor):
        # read now: a parametrisation would move its buffers when it is read in training mode later
        return Classifying(module.weight, module.bias, inputs[0])
    return None


def can_classify(module: nn.Module) -> TypeGuard[nn.Linear | nn.Conv2d]:
    """Whether a module is a linear layer or a 1×1 convolution.

    Args:
        module: The module.

    Returns:
        Whether it can be a classifier's last layer.
    """
    if isinstance(module, nn.Conv2d):
        return module.kernel_size == (1, 1) and module.groups == 1
    return isinstance(module, nn.Linear)


def tolerance(exact: bool) -> float:  # noqa: FBT001 - one question
    """How closely equal numbers agree, relative to the largest: in float32, or in half precision somewhere.

    Args:
        exact: Whether the network ran in float32 throughout.

    Returns:
        For ``recognise_head``.
    """
    return 1e-4 if exact else 3e-2


@dataclass(frozen=True)
class ClassMapHead:
    """Weights that turn a feature map into one map per logit, whose means are the logits less the bias.

    Args:
        weight: ``(L, C)``.
        bias: ``(L,)`` or None.
        inner: Name of the function between the layer and the weights (``identity``, ``relu``, ...).
        outer: Name of the function after the weights: ``identity`` for average pooling + linear; ``relu`` for
            SqueezeNet's convolution, whose bias then belongs to the map.
    """

    weight: Tensor
    bias: Tensor | None
    inner: str = "identity"
    outer: str | None = None

    @property
    def constant_gradient(self) -> bool:
        """Whether the gradient of a logit is the same at every position: the weight over the number of positions."""
        return self.inner == "identity" and self.outer is None

    def averaged(self, activations: FeatureMaps) -> FeatureMaps:
        """The map whose average is what the weights see, ``(N, C, h, w)``: with the inner function applied."""
        return _FUNCTIONS[self.inner](activations)

    def class_maps(self, activations: FeatureMaps, directions: Directions) -> MapsPerClass:
        """One map per direction in logit space.

        Args:
            activations: ``(N, C, h, w)``.
            directions: K of them.

        Returns:
            ``(N, K, h, w)``.
        """
        features = self.averaged(activations)
        if self.outer is not None:
            return directions.select(self.logit_maps(features))
        weights = directions.weights(self.weight)
        # one matrix product for the whole batch where all images are asked for the same classes
        formula = "kc,nchw->nkhw" if weights.shape[0] == 1 else "nkc,nchw->nkhw"
        return torch.einsum(formula, weights[0] if weights.shape[0] == 1 else weights, features)

    def logits(self, activations: FeatureMaps) -> Logits:
        """The logits of feature maps ``(N, C, h, w)``: ``(N, L)``."""
        features = self.averaged(activations)
        if self.outer is not None:
            return self.logit_maps(features).mean((2, 3))
        return F.linear(features.mean((2, 3)), self.weight, self.bias)

    def logit_maps(self, features: FeatureMaps) -> MapsPerClass:
        """A convolutional classifier's own maps, ``(N, L, h, w)``."""
        maps = F.conv2d(features, self.weight[:, :, None, None], self.bias)
        return _FUNCTIONS[self.outer or "identity"](maps)


def recognise_head(
    last: Classifying | None, activations: FeatureMaps, logits: Logits, *, tolerance: float
) -> ClassMapHead | None:
    """The head that explains these logits from these activations, or None where no such head does.

    Nothing is concluded from names or types: average the map, apply the last module's weights, compare with the logits.

    Args:
        last: The last linear or 1×1-convolution module that ran.
        activations: ``(N, C, h, w)`` float32.
        logits: ``(N, L)`` float32.
        tolerance: Largest difference that still counts as equal, relative to the largest value.

    Returns:
        The head.
    """
    shape = (logits.shape[1], activations.shape[1])
    if last is None or last.weight.flatten(1).shape != shape:
        return None
    fine = finite_images(activations, logits)
    if len(last.features) == len(logits) and not bool(fine.all()):
        last, activations, logits = (
            replace(last, features=last.features[fine]),
            activations[fine],
            logits[fine],
        )
    bias = None if last.bias is None else last.bias.detach().float()
    head = ClassMapHead(last.weight.detach().flatten(1).float(), bias)
    features = last.features.detach().float()
    same = partial(_same, tolerance=tolerance)  # of numbers that are none, nothing can be told
    if features.ndim == 4 and features.shape[-2:].numel() > 1:
        found = _convolutional(head, features, logits=logits, same=same)
        return found if same(features, activations) else None
    if features.numel() != activations.shape[0] * activations.shape[1]:
        return None
    return _pooled(head, features.flatten(1), activations, logits=logits, same=same)


def finite_images(activations: FeatureMaps, logits: Logits) -> Bool[Tensor, " N"]:
    """Images of which the network made numbers.

    Args:
        activations: ``(N, C, h, w)``.
        logits: ``(N, L)``; an infinite one may be meant, as that of a class that is ruled out.

    Returns:
        Which have finite activations, and no logit that is NaN.
    """
    return activations.isfinite().flatten(1).all(1) & ~logits.isnan().any(1)


def _pooled(
    head: ClassMapHead,
    pooled: Tensor,
    activations: FeatureMaps,
    *,
    logits: Logits,
    same: Callable[[Tensor, Tensor], bool],
) -> ClassMapHead | None:
    """Average pooling and a linear layer, with or without a function before the pooling."""
    if same(F.linear(pooled, head.weight, head.bias), logits):
        for name, function in _FUNCTIONS.items():
            if same(function(activations).mean((2, 3)), pooled):
                return replace(head, inner=name)
    return None


def _convolutional(
    head: ClassMapHead,
    features: FeatureMaps,
    *,
    logits: Logits,
    same: Callable[[Tensor, Tensor], bool],
) -> ClassMapHead | None:
    """A 1×1 convolution whose maps are averaged, with or without a ReLU between."""
    candidates = (replace(head, outer=outer) for outer in ("relu", "identity"))
    fitting = (c for c in candidates if same(c.logit_maps(features).mean((2, 3)), logits))
    return next(fitting, None)


def _same(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Equal to within a fraction of the largest value."""
    if a.shape != b.shape or not len(a):
        return False
    scale = b.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
    return bool((a - b).abs().amax() <= tolerance * scale)
