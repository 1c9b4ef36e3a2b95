"""Whether the leading classes want the same part of the picture."""

__all__ = ["TopClassContest", "top_class_contest"]

import torch
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.base.shapes import MapsPerClass
from figureground.maps.normalise import normalise
from figureground.metrics.faithfulness.accumulator import ImageMeans
from figureground.metrics.faithfulness.relevance import is_blank
from figureground.metrics.faithfulness.scoring import PerImage


def top_class_contest(maps: MapsPerClass, *, threshold_fraction: float = 0.5) -> PerImage:
    """Share of the picture that more than one of the leading classes claims.

    A class claims the positions where its min-max normalised map reaches ``threshold_fraction``.
    A definition of ours.

    Args:
        maps: ``(N, K, h, w)``, one map per leading class, usually three.
        threshold_fraction: Between 0 and 1.

    Returns:
        ``(N,)`` in [0, 1]: 0 when every class looks elsewhere. NaN where one of the maps is blank.

    Raises:
        ShapeError: Fewer than two classes.
        OptionError: The fraction is outside [0, 1].

    Examples:
        >>> left, middle = [1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]
        >>> top_class_contest(torch.tensor([[[left], [middle]]])).tolist()
        [0.25]
    """
    if maps.shape[1] < 2:
        raise ShapeError(f"a contest needs two classes at least, not {maps.shape[1]}")
    if not 0 <= threshold_fraction <= 1:
        raise OptionError(f"threshold_fraction must be in [0, 1], not {threshold_fraction}")
    claims = normalise(maps.float(), on_blank="zeros") >= threshold_fraction
    contested = (claims.sum(1) > 1).float().mean((1, 2))
    blank = is_blank(maps.flatten(0, 1)).reshape(maps.shape[:2]).any(1)
    return contested.masked_fill(blank, torch.nan)


class TopClassContest(ImageMeans):
    """Mean contested share over a data set.

    Args:
        threshold_fraction: As in ``top_class_contest``.
    """

    def __init__(self, threshold_fraction: float = 0.5) -> None:
        super().__init__(("contested",))
        self.threshold_fraction = threshold_fraction

    def update(self, maps: Tensor) -> None:
        """Add a batch.

        Args:
            maps: ``(N, K, h, w)``.
        """
        found = top_class_contest(maps, threshold_fraction=self.threshold_fraction)
        self.accumulate({"contested": found})
