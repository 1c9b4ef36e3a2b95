"""How much background, beside how many pictures of the classes."""

__all__ = ["RatioChoice", "choose_ratio", "with_background"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from figureground.base.errors import OptionError, ShapeError
from figureground.data.background.source import BackgroundSource
from figureground.data.in_memory import in_memory
from figureground.data.labeled import LabeledImages, LazyPictures
from figureground.data.splits import few_shot


@dataclass(frozen=True)
class RatioChoice:
    """How many background pictures, in three ways to say it.

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
    """How many background pictures to take.

    Args:
        class_counts: Pictures of each class.
        available: Background pictures that there are.
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
        raise ShapeError("no pictures of any class to compare with")
    mean = total / len(class_counts)
    if ratio is not None and not ratio > 0:
        raise OptionError(f"the ratio is {ratio}; it is above 0, or None for all")
    count = available if ratio is None else round(ratio * mean)
    if count > available:
        raise OptionError(
            f"ratio {ratio:g} asks for {count} background pictures, there are {available}: at most "
            f"ratio {available / mean:.3g}"
        )
    return RatioChoice(count, count / mean, count / (count + total))


def with_background(
    data: LabeledImages, source: BackgroundSource, *, ratio: float | None = None, seed: int = 0
) -> LabeledImages:
    """The training set of the background-class method: the data, and background labelled K.

    Args:
        data: Pictures of the classes; no background yet.
        source: Background pictures; where the data are in memory they are brought to its size and
            number of colours.
        ratio: Times the mean class size; None for all.
        seed: Which of them, where not all are taken; a smaller ratio takes some of a larger one's.

    Returns:
        Data first, then background. Boxes and groups are dropped: the background has none.

    Raises:
        OptionError: There is background already, or less than asked for.
    """
    if data.background_count:
        raise OptionError(f"the data hold {data.background_count} background pictures already")
    choice = choose_ratio(data.class_counts(), len(source), ratio=ratio)
    rows = torch.arange(len(source))
    if choice.count < len(rows):
        rows = few_shot(torch.zeros_like(rows), per_class=choice.count, seed=seed)
    ground = _as_labeled(source, data).subset(rows)
    if isinstance(data.images, Tensor):
        height, width = data.images.shape[2:]
        ground = in_memory(ground, (height, width))
        images: Tensor | LazyPictures = torch.cat([data.images, ground.pixels])
    else:
        images = _chained(data.images, ground)
    return replace(
        data,
        images=images,
        labels=torch.cat([data.labels, ground.labels]),
        boxes=None,
        groups=None,
        notes=(*data.notes, *ground.notes),
    )


def _as_labeled(source: BackgroundSource, data: LabeledImages) -> LabeledImages:
    """The background with label K, in the data's number of colours."""
    grey = isinstance(data.images, Tensor) and data.images.shape[1] == 1
    labels = torch.full((len(source),), data.background_index)
    pictures = LazyPictures(partial(_decode, source, grey), len(source))
    return LabeledImages(pictures, labels, data.class_names)


def _decode(source: BackgroundSource, grey: bool, row: int) -> Image.Image:  # noqa: FBT001 - by partial
    picture = Image.fromarray(np.ascontiguousarray(source[row]))
    return picture.convert("L") if grey else picture


def _chained(images: LazyPictures, ground: LabeledImages) -> LazyPictures:
    """The one, then the other."""
    # no closure: workers of a DataLoader may have to be sent it
    return LazyPictures(partial(_either, images, ground), len(images) + len(ground))


def _either(images: LazyPictures, ground: LabeledImages, row: int) -> Image.Image:
    return images[row] if row < len(images) else ground.picture(row - len(images))
