"""How much background, beside how many images of the classes."""

__all__ = [
    "RatioChoice",
    "choose_ratio",
]

from collections.abc import Sequence
from dataclasses import dataclass

from figureground.base.errors import OptionError, ShapeError


@dataclass(frozen=True)
class RatioChoice:
    """How many background images, in three ways to say it.

    Args:
        count: How many.
        ratio: Times the mean size of a class.
        share: Of the whole training set, 0 to 1.
    """

    count: int
    ratio: float
    share: float


def choose_ratio(
    class_counts: Sequence[int], available: int, *, ratio: float | None = None
) -> RatioChoice:
    """How many background images to take.

    Args:
        class_counts: Images of each class.
        available: Background images that there are.
        ratio: Times the mean class size (1: as many as an average class); None takes all, as the
            paper does, whatever ratio that gives.

    Returns:
        Count, ratio and share.

    Raises:
        OptionError: The ratio is not positive, or more is asked for than there is.
        ShapeError: There are no classes.

    Examples:
        >>> choose_ratio([450] * 10, 3001)
        RatioChoice(count=3001, ratio=6.66..., share=0.400...)
        >>> choose_ratio([450] * 10, 3001, ratio=1.0).count
        450
    """
    total = sum(class_counts)
    if not total:
        raise ShapeError("no images of any class to compare with")
    mean = total / len(class_counts)
    if ratio is not None and not ratio > 0:
        raise OptionError(f"the ratio is {ratio}; it is above 0, or None for all")
    count = available if ratio is None else round(ratio * mean)
    if count > available:
        raise OptionError(
            f"ratio {ratio:g} asks for {count} background images, there are {available}: at most "
            f"ratio {available / mean:.3g}"
        )
    return RatioChoice(count, count / mean, count / (count + total))
