"""Pictures as a model is to see them, all in memory."""

__all__ = ["pictures_for", "some_of"]

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from figureground.base.errors import DataError, ImageError, OptionError
from figureground.base.seeds import generator
from figureground.data.in_memory import in_memory
from figureground.data.labeled import LabeledImages
from figureground.models import Preprocessing

_AT_ONCE, _WORKERS = 256, 4


def pictures_for(
    preprocessing: Preprocessing, data: LabeledImages, *, as_trained: bool = False
) -> LabeledImages:
    """Pictures as a model gets them before it normalises them.

    Args:
        preprocessing: Of the model.
        data: Any pictures.
        as_trained: Whether they are fitted to ``preprocessing.size`` as ``train`` does it, or by all of the
            preprocessing.

    Returns:
        The pictures in memory; those that cannot be decoded are left out, and notes say so.

    Raises:
        DataError: None of them can be decoded.
    """
    if as_trained:
        fit = "stretch" if preprocessing.resize == "stretch" else "crop"
        return in_memory(data, preprocessing.size, fit=fit)
    if _is_ready(preprocessing, data):
        return data
    kept: list[int] = []
    notes: list[str] = []
    pixels = torch.empty(len(data), preprocessing.channels, *preprocessing.size, dtype=torch.uint8)
    for row, seen in _views(preprocessing, data):
        if isinstance(seen, ImageError):
            notes.append(f"left out: {seen}")
            continue
        pixels[len(kept)] = seen
        kept.append(row)
    if not kept:
        raise DataError(f"none of {len(data)} pictures can be used; " + "; ".join(notes[:3]))
    rows = torch.tensor(kept)
    # boxes would have to follow; nothing asks for them here
    bare = replace(data, boxes=None).subset(rows)
    return replace(bare, images=pixels[: len(kept)], notes=(*data.notes, *notes))


def some_of(data: LabeledImages, limit: int | None, *, seed: int) -> LabeledImages:
    """A random part of so many pictures.

    Args:
        data: Pictures.
        limit: How many; None for all.
        seed: Of the choice.

    Returns:
        That many, in their order, or all where there are no more.

    Raises:
        OptionError: The limit is below 1.
    """
    if limit is not None and limit < 1:
        raise OptionError(f"the limit is {limit}; at least 1 picture is needed")
    if limit is None or limit >= len(data):
        return data
    return data.subset(torch.randperm(len(data), generator=generator(seed))[:limit].sort().values)


def _is_ready(preprocessing: Preprocessing, data: LabeledImages) -> bool:
    """Whether the pictures are in memory as the preprocessing would leave them."""
    wanted = (preprocessing.channels, *preprocessing.size)
    held = data.images
    same = isinstance(held, Tensor) and tuple(held.shape[1:]) == wanted
    return same and preprocessing.crop_fraction == 1


def _views(
    preprocessing: Preprocessing, data: LabeledImages
) -> Iterator[tuple[int, Tensor | ImageError]]:
    """Row, and its pixels or why there are none; a few hundred at a time."""

    def one(row: int) -> Tensor | ImageError:
        try:
            return preprocessing.view(data.picture(row))[0]
        except ImageError as error:
            return error

    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(data), _AT_ONCE):
            rows = range(start, min(start + _AT_ONCE, len(data)))
            yield from zip(rows, pool.map(one, rows), strict=True)
