"""Labels as data sets tell them, numbers or names, as ours: classes from 0, the background last."""

__all__ = ["Told", "class_names_beside", "numbered"]

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from figureground.base.class_names import read_class_names
from figureground.base.errors import DataError, ModelError
from figureground.data.finding import natural_key

Told: TypeAlias = int | str
_BACKGROUND = "background"


def numbered(
    told: Sequence[Told],
    names: Sequence[str] | None,
    *,
    places: Sequence[object],
    train: Iterable[Told],
) -> tuple[Tensor, tuple[str, ...]]:
    """Labels and class names.

    Args:
        told: For each image a number or a name; -1 is unlabelled. Digits are a number where every label is one.
        names: Of the classes, in the order of the numbers; None to take the labels of ``train`` for names, in natural
            order, or their numbers where all are numbers.
        places: Where each image is, for errors.
        train: The labels of the training images.

    Returns:
        ``(N,)`` int64, -1 to K, and K names; ``background``, in any case, is no class but the last label, K.

    Raises:
        DataError: A label is of no class, or there is no class.

    Examples:
        >>> numbered(["cat", "background", "ant"], None, places="012", train=["ant", "cat"])
        (tensor([1, 2, 0]), ('ant', 'cat'))
        >>> numbered(["1", 0, -1], ["ant", "cat"], places="012", train=[])
        (tensor([ 1,  0, -1]), ('ant', 'cat'))
    """
    known = _names_of(set(train)) if names is None else list(names)
    classes = tuple(name for name in known if name.lower() != _BACKGROUND)
    if not classes:
        raise DataError(f"no image has a label of a class; the first is {next(iter(places), None)}")
    numbers = {name: at for at, name in enumerate(classes)}
    by_number = {at: numbers.get(name, len(classes)) for at, name in enumerate(known)}
    by_name = {_BACKGROUND: len(classes)} | {name: by_number[at] for at, name in enumerate(known)}
    if names is None and not all(map(_is_number, known)):
        by_number = {}  # a number among names is a name
    by_number[-1] = -1
    rows: list[int] = []
    for one, place in zip(told, places, strict=True):
        label = _row_of(one, by_number, by_name)
        if label is None:
            raise DataError(
                f"{place} has the label {one!r}, which is none of the {len(known)} classes "
                f"({', '.join(known[:5])}{', …' if len(known) > 5 else ''})"
            )
        rows.append(label)
    return torch.tensor(rows, dtype=torch.int64), classes


def class_names_beside(folders: Iterable[Path]) -> tuple[str, ...] | None:
    """The class names in the first ``classes.txt`` or ``classes.json`` of these folders.

    Args:
        folders: Where to look.

    Returns:
        One for each number, as ``read_class_names`` has them; None where there is no such file.

    Raises:
        DataError: It holds something else.
    """
    paths = [folder / name for folder in folders for name in ("classes.txt", "classes.json")]
    path = next((one for one in paths if one.is_file()), None)
    if path is None:
        return None
    try:
        names = read_class_names(path)
    except ModelError as error:
        raise DataError(f"{path} holds no list of class names: {error}") from error
    if len(set(names)) < len(names):
        raise DataError(f"{path} names a class twice")
    return names


def _names_of(told: set[Told]) -> list[str]:
    """Names in natural order; the numbers up to the highest where all are numbers."""
    if all(_is_number(one) for one in told):
        return [str(number) for number in range(1 + max(map(int, told), default=-1))]
    return sorted({str(one) for one in told} - {"-1"}, key=lambda name: natural_key(Path(name)))


def _row_of(one: Told, by_number: dict[int, int], by_name: dict[str, int]) -> int | None:
    """Of a text by name first: digits may be names."""
    named = by_name.get(str(one))
    if isinstance(one, str) and named is not None:
        return named
    return by_number.get(int(one), named) if _is_number(one) else None


def _is_number(one: Told) -> bool:
    return isinstance(one, int) or (one.lstrip("-").isascii() and one.lstrip("-").isdigit())
