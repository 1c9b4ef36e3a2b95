"""Maps that cannot be read, and why."""

__all__ = ["MapProblem", "diagnose"]

from dataclasses import dataclass

import torch

from figureground.base.shapes import MapsPerClass
from figureground.maps.normalise import is_constant

_MESSAGES = {
    "non-finite": "{count} of {positions} values are NaN or infinite",
    "zero": "every value is zero: the method found no evidence for this class",
    "constant": "every value is {value:.4g}: the map does not tell one place from another",
    "negative-only": "no value is above zero (highest {value:.4g}): only evidence against",
}
_KINDS = tuple(_MESSAGES)


@dataclass(frozen=True)
class MapProblem:
    """One map that shows nothing, or nothing in favour of its class.

    Args:
        image: Position of the image in the batch.
        class_position: Position among the classes that were asked for (not a class index).
        kind: ``non-finite``, ``zero``, ``constant`` or ``negative-only``.
        message: The same in a sentence, with numbers.
    """

    image: int
    class_position: int
    kind: str
    message: str


def diagnose(maps: MapsPerClass) -> list[MapProblem]:
    """The maps of a batch that are blank or broken; an empty list where all is well.

    A map has at most one problem, the first that holds of: ``non-finite`` (NaN or infinity),
    ``zero``, ``constant`` (up to rounding), ``negative-only`` (nothing above zero, so a ReLU would
    blank it; for a signed method this may be right).

    Args:
        maps: Raw scores, ``(N, K, h, w)``.

    Returns:
        The problems, ordered by image and class.

    Examples:
        >>> maps = torch.tensor([[[[0.0, 1.0]], [[2.0, 2.0]]]])
        >>> for problem in diagnose(maps):
        ...     print(problem.image, problem.class_position, problem.kind, "-", problem.message)
        0 1 constant - every value is 2: the map does not tell one place from another
    """
    low, high = maps.amin((-2, -1)), maps.amax((-2, -1))
    unknown = (~maps.isfinite()).sum((-2, -1))
    holds = torch.stack([unknown > 0, (low == 0) & (high == 0), is_constant(maps), high <= 0])
    bad = holds.any(0)
    # read from the device once, however many maps there are
    places = bad.nonzero().tolist()
    kinds = holds.int().argmax(0)[bad].tolist()
    counts, highest = unknown[bad].tolist(), high[bad].tolist()
    positions = maps.shape[-2] * maps.shape[-1]
    return [
        MapProblem(
            image,
            position,
            _KINDS[kind],
            _MESSAGES[_KINDS[kind]].format(count=count, positions=positions, value=value),
        )
        for (image, position), kind, count, value in zip(
            places, kinds, counts, highest, strict=True
        )
    ]
