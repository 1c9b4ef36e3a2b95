"""From logits back to the image: one sweep over the tape, all images and classes at once."""

__all__ = ["backtrack"]

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from figureground.base.errors import LayerError
from figureground.base.shapes import ClassIndices, Images, Logits
from figureground.capture.calls import Kind
from figureground.capture.tape import Step, Tape
from figureground.methods.fixations.layers import (
    Position,
    conv,
    linear,
    pool,
    pool_max,
    positive_inputs,
    reduce,
)
from figureground.methods.fixations.moves import MOVES, unexpanded
from figureground.methods.fixations.points import Points, merged


def backtrack(
    tape: Tape, images: Images, logits: Logits, *, classes: ClassIndices, position: Position
) -> Points:
    """Elements of the images that each class's logit leads back to.

    Every operation hands its points to the operands they came from; as an operand is always earlier
    on the tape than the result, one sweep from its end to the images meets each operation once, with
    all points that reach it on whatever way.

    Args:
        tape: Record of the run.
        images: ``(N, C, H, W)``, the very tensor that went in.
        logits: ``(N, L)``, the very tensor that came out.
        classes: ``(N, K)`` indices of logits.
        position: Where in a convolution's window a point goes: "strided", "center" or "argmax".

    Returns:
        Points of the images' tensor; owner k of a point of image n is class ``classes[n, k]``.

    Raises:
        LayerError: The images or logits are not on the tape, the logits do not depend on the images,
            or the way leads through an operation that is not one of a convolutional network's.
    """
    leaf, start = tape.leaf(images), tape.index(logits)
    alive = _depending(tape.steps, leaf)
    if start not in alive:
        raise LayerError("the logits do not depend on these images")
    route = _Route(tape.steps, alive, position, _classifier(tape.steps, start))
    classes = classes.to(logits.device)
    waiting: dict[int, list[Points]] = {start: [_first(logits, classes)]}
    for at in range(start, leaf, -1):
        for source, points in route.back(at, waiting.pop(at, [])):
            waiting.setdefault(source, []).append(points)
    return merged(waiting.get(leaf) or [_nowhere(classes)])


@dataclass(frozen=True)
class _Route:
    """How to go back from any step of one tape."""

    steps: Sequence[Step]
    alive: set[int]
    position: Position
    classifier: int

    def back(self, at: int, arrived: list[Points]) -> list[tuple[int, Points]]:
        """The points of a step's operands, by step, that its own points came from."""
        step = self.steps[at]
        alive = [i for i, source in enumerate(step.sources) if source in self.alive]
        if not arrived or not alive:
            return []
        if step.kind is Kind.SAME:
            return [(step.sources[0], points) for points in arrived]
        points = arrived[0] if len(arrived) == 1 else merged(arrived)
        if step.kind in MOVES:
            sent = self._moved(step, points, alive)
        else:
            self._check(step, alive)
            sent = [(0, self._weighed(at, points))]
        return [(step.sources[i], found) for i, found in sent if i in alive and len(found.index)]

    def _moved(self, step: Step, points: Points, alive: list[int]) -> list[tuple[int, Points]]:
        """Back through a step that moves, joins or weights elements."""
        behind = [self.steps[source] for source in step.sources]
        if step.kind in {Kind.EITHER, Kind.PRODUCT} and len(alive) == 1:
            return [(alive[0], unexpanded(step, points, behind[alive[0]].shape))]
        return MOVES[step.kind](step, points, behind)

    def _check(self, step: Step, alive: list[int]) -> None:
        """Refuse what is not a layer of a convolutional network."""
        if step.kind is not Kind.UNKNOWN and alive == [0]:
            return
        why = "" if step.kind is Kind.UNKNOWN else " of two tensors that both depend on the image"
        raise LayerError(
            f"cnn-fixations is defined for convolutional networks and cannot go back through "
            f"'{step.name}'{why}; methods such as eigen-cam or grad-cam take any network"
        )

    def _weighed(self, at: int, points: Points) -> Points:
        """Back through a layer that combines elements."""
        step, last = self.steps[at], at == self.classifier
        behind = self.steps[step.sources[0]]
        if step.kind is Kind.POOL_MAX:
            return pool_max(step, points, behind)
        if step.kind is Kind.LINEAR:
            return linear(step, points, only_largest=self._spatial(step.sources[0]))
        if step.kind is Kind.CONV:
            return self._convolved(step, points, last=last)
        average = reduce if step.kind is Kind.REDUCE else pool
        return average(step, points, every_positive=last)

    def _convolved(self, step: Step, points: Points, *, last: bool) -> Points:
        """Back through a convolution; one that classifies a single position is a matrix."""
        one_position = self.steps[step.sources[0]].shape[2:] == step.shape[2:] == (1, 1)
        if last and one_position and step.settings["groups"] == (1,):
            return positive_inputs(step, points)
        return conv(step, points, position=self.position)

    def _spatial(self, source: int) -> bool:
        """Whether rows of a matrix product are feature maps laid flat, or positions of one."""
        step = self.steps[source]
        rows = step.shape[0]
        while step.kind is Kind.SAME and len(step.shape) < 3:
            step = self.steps[step.sources[0]]
        return step.shape[0] != rows or torch.Size(step.shape[2:]).numel() > 1


def _depending(steps: Sequence[Step], leaf: int) -> set[int]:
    """Indices of the steps that depend on a leaf, itself included."""
    found = {leaf}
    for index, step in enumerate(steps):
        if any(source in found for source in step.sources):
            found.add(index)
    return found


def _classifier(steps: Sequence[Step], start: int) -> int:
    """The last step that does more than pass elements on."""
    while steps[start].kind is Kind.SAME:
        start = steps[start].sources[0]
    return start


def _first(logits: Tensor, classes: Tensor) -> Points:
    """One point per image and class: its logit."""
    images, slots = classes.shape
    rows = torch.arange(images, device=classes.device)[:, None]
    index = (rows * logits.shape[1] + classes).flatten()
    owners = torch.eye(slots, dtype=torch.bool, device=classes.device).repeat(images, 1)
    return merged([Points(index, owners)])


def _nowhere(classes: Tensor) -> Points:
    """No points."""
    none = classes.new_zeros(0, dtype=torch.int64)
    return Points(none, torch.zeros(0, classes.shape[1], dtype=torch.bool, device=classes.device))
