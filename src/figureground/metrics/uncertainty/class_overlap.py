"""How much the maps of the leading classes overlap."""

__all__ = ["class_overlap"]

import torch

from figureground.base.checking import checked
from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import MapsPerClass
from figureground.maps.post_processing import normalise
from figureground.metrics.faithfulness.relevance import is_blank
from figureground.metrics.faithfulness.scoring import PerImage


@checked
def class_overlap(maps: MapsPerClass, *, threshold_fraction: float = 0.5) -> PerImage:
    """Share of the positions that are active in the maps of more than one of the leading classes.

    A position is active in a map where the min-max normalised map reaches ``threshold_fraction``.
    A definition of ours.

    Args:
        maps: ``(N, K, h, w)``, one map per leading class, usually three.
        threshold_fraction: Between 0 and 1.

    Returns:
        ``(N,)`` in [0, 1]: 0 where no two maps overlap. NaN where one of the maps is blank.

    Raises:
        ShapeError: Fewer than two classes.
        OptionError: The fraction is outside [0, 1].

    Examples:
        >>> left, middle = [1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]
        >>> class_overlap(torch.tensor([[[left], [middle]]])).tolist()
        [0.25]
    """
    if maps.shape[1] < 2:
        raise ShapeError(f"an overlap needs at least two classes, got {maps.shape[1]}")
    if not 0 <= threshold_fraction <= 1:
        raise OptionError(f"threshold_fraction must be in [0, 1], not {threshold_fraction}")
    active = normalise(maps.float(), on_blank="zeros") >= threshold_fraction
    overlap = (active.sum(1) > 1).float().mean((1, 2))
    blank = is_blank(maps.flatten(0, 1)).reshape(maps.shape[:2]).any(1)
    return overlap.masked_fill(blank, torch.nan)
