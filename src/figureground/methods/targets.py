"""Which classes a map is asked for."""

__all__ = ["ClassSpec", "Target", "Targets", "resolve_targets"]

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor

from figureground.base.amount import amount
from figureground.base.errors import OptionError, ShapeError
from figureground.base.outputs import class_logits, class_number
from figureground.base.shapes import Logits
from figureground.capture.head import Directions
from figureground.methods.finer_target import Finer

Target = Callable[[Tensor], Tensor]
ClassSpec = (
    None
    | SupportsIndex
    | str
    | Tensor
    | Target
    | Finer
    | Sequence[SupportsIndex | str]
    | Sequence[Target]
)
NameToIndex = Callable[[str], int]


@dataclass(frozen=True)
class Targets:
    """What was asked for, resolved for one batch.

    Args:
        directions: K directions in the space of logits; of functions their gradients at the logits of the images.
        classes: ``(N, K)`` class numbers; None where the targets are functions.
        functions: The functions, where the targets are functions.
    """

    directions: Directions
    classes: Tensor | None
    functions: tuple[Target, ...] = ()

    def score(self, logits: Logits) -> Float[Tensor, "N K"]:
        """The true values of the targets at any logits: a function stays a function.

        Args:
            logits: ``(N, L)`` of the images; or ``(M, L)`` of M changes of one image, for the targets of it alone
                (``of_image``).

        Returns:
            ``(N, K)`` or ``(M, K)``.
        """
        if self.functions:
            return torch.stack([function(logits) for function in self.functions], 1)
        return self.directions.select(logits)

    def probability(self, logits: Logits) -> Float[Tensor, "N K"]:
        """Probabilities of the classes, in place of their logits; functions give what they give.

        Args:
            logits: As for ``score``. Of one logit the probability is its sigmoid, of several their softmax.

        Returns:
            ``(N, K)`` or ``(M, K)``.
        """
        if self.functions or self.directions.indices is None:
            return self.score(logits)
        if logits.shape[1] == 1:
            return self.score(logits).sigmoid()
        return self.directions.select(logits.softmax(1))

    def part(self, start: int, stop: int) -> "Targets":
        """Targets ``start`` to ``stop`` (excluded)."""
        classes = None if self.classes is None else self.classes[:, start:stop]
        return Targets(self.directions.part(start, stop), classes, self.functions[start:stop])

    def of_image(self, image: int) -> "Targets":
        """The targets of one image, to be read at the logits of its changes."""
        classes = None if self.classes is None else self.classes[image : image + 1]
        return Targets(self.directions.of_image(image), classes, self.functions)

    def repeated(self, times: int) -> "Targets":
        """The same for a batch that holds every image ``times`` times, one whole copy after another."""
        classes = None if self.classes is None else self.classes.repeat(times, 1)
        return Targets(self.directions.repeated(times), classes, self.functions)


def resolve_targets(
    classes: ClassSpec, logits: Logits, name_to_index: NameToIndex | None = None
) -> Targets:
    """Turn what a caller wrote into directions in the space of logits.

    Args:
        classes: None (the predicted class), ``"top3"``, a class number or name, a list of them (for all
            images), a tensor ``(N,)`` or ``(N, K)`` (per image), one or several functions from
            logits ``(N, L)`` to scalars ``(N,)``, or classes told from others (``finer``).
        logits: ``(N, L)``. A network with one logit has two classes: 1 where it is positive, 0 where it is not.
        name_to_index: Finds the number of a class name.

    Returns:
        The targets.

    Raises:
        OptionError: A number or name that does not exist, or something else.
        ShapeError: A tensor that does not fit the batch.
    """
    functions = _given_functions(classes)
    if functions:
        return _functions(functions, logits)
    scores = class_logits(logits)

    def numbers(asked: Any) -> Tensor:  # noqa: ANN401
        return _checked(_asked(asked, scores, name_to_index), scores.shape[1])

    if isinstance(classes, Finer):
        own = numbers(classes.classes)
        against = None if classes.against is None else numbers(classes.against)
        dense = classes.directions(logits, own, against)
        return Targets(Directions(dense=dense), own.expand(len(logits), -1))
    return _indices(numbers(classes), logits)


def _given_functions(classes: ClassSpec) -> list[Target]:
    """The functions, where all that was given are functions; else none."""
    several = list(classes) if isinstance(classes, list | tuple) else [classes]
    functions = [one for one in several if callable(one) and not isinstance(one, Tensor)]
    return functions if len(functions) == len(several) else []


def _asked(classes: Any, scores: Tensor, name_to_index: NameToIndex | None) -> Tensor:  # noqa: ANN401
    """Class numbers as ``(N, K)``, or ``(1, K)`` where all images are asked for the same."""
    if isinstance(classes, Tensor) and classes.ndim > 0:
        return _tensor(classes, scores)
    top = "top1" if classes is None else classes
    if isinstance(top, str) and re.fullmatch(r"top\d+", top):
        return _top(int(top[3:]), scores)
    wanted = list(classes) if isinstance(classes, Iterable) and not _is_one(classes) else [classes]
    if not wanted:
        raise OptionError("no class asked for; leave classes out for the predicted one")
    return torch.tensor([[_number(one, name_to_index) for one in wanted]], device=scores.device)


def _is_one(classes: object) -> bool:
    """A name, or a tensor or array of no axes."""
    return isinstance(classes, str) or getattr(classes, "ndim", 1) == 0


def _functions(functions: Sequence[Target], logits: Logits) -> Targets:
    """The gradient of each function at these logits."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = logits.detach().clone().requires_grad_()
        rows = []
        for function in functions:
            value = function(leaf)
            if value.shape != leaf.shape[:1]:
                message = f"a target maps logits {tuple(leaf.shape)} to one scalar per image ({leaf.shape[0]},)"
                raise ShapeError(f"{message}; it gave {tuple(value.shape)}")
            if not value.requires_grad:
                raise OptionError(
                    "a target is a function of the logits; this one does not use them"
                )
            rows.append(torch.autograd.grad(value.sum(), leaf)[0])
    return Targets(Directions(dense=torch.stack(rows, 1)), None, tuple(functions))


def _indices(indices: Tensor, logits: Logits) -> Targets:
    """Directions of class numbers; those of one logit are its two signs."""
    batch = indices.expand(logits.shape[0], -1)
    if logits.shape[1] > 1:
        return Targets(Directions(indices=indices), batch)
    signs = indices.to(logits.dtype) * 2 - 1
    return Targets(Directions(indices=torch.zeros_like(indices), signs=signs), batch)


def _top(count: int, scores: Tensor) -> Tensor:
    if not 1 <= count <= scores.shape[1]:
        raise OptionError(f"top{count} of {scores.shape[1]} classes asked for")
    return scores.topk(count, dim=1).indices


def _tensor(classes: Tensor, logits: Logits) -> Tensor:
    """Per-image class numbers as ``(N, K)``."""
    columns = classes[:, None] if classes.ndim == 1 else classes
    if columns.ndim != 2 or columns.shape[0] != logits.shape[0] or not _holds_integers(columns):
        shape, images = f"{tuple(classes.shape)} {classes.dtype}", amount(len(logits), "image")
        message = (
            f"a tensor of classes is (N,) or (N, K) of integers with N = {images}; it is {shape}"
        )
        raise ShapeError(f"{message}; for the same classes on every image give a list")
    return columns.to(logits.device, torch.long)


def _holds_integers(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def _number(one: object, name_to_index: NameToIndex | None) -> int:
    if not isinstance(one, str):
        return class_number(one)
    if name_to_index is None:
        raise OptionError(
            f"class '{one}' is a name, and this model has no class names; give its number or class names"
        )
    return name_to_index(one)


def _checked(indices: Tensor, count: int) -> Tensor:
    bad = indices[(indices < 0) | (indices >= count)]
    if bad.numel():
        raise OptionError(
            f"class {int(bad[0])} does not exist: the model has {count} classes, 0 to {count - 1}"
        )
    return indices
