"""Rare classes in a sea of background: the labels of some classes kept, everything else made background."""

__all__ = ["UNLABELED_NAMES", "make_background_labels", "named_rare", "with_rare"]

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from figureground.base.checking import checked
from figureground.base.errors import DataError, OptionError, ShapeError, unknown_option
from figureground.data.labeled import LabeledImages

UNLABELED_NAMES = frozenset({"unlabeled", "unlabelled"})
"""Classes of these names, in any case, are no classes: nobody has looked at their images."""


@checked
def make_background_labels(
    labels: Int[Tensor, " n"], rare: Sequence[int], labeled: Bool[Tensor, " m"] | None = None
) -> Int[Tensor, " n"]:
    """Labels 0 to N - 1 for the N rare classes in the order given, N for every other class.

    Args:
        labels: Of any classes; -1 is unlabelled and stays so.
        rare: Old labels of the rare classes.
        labeled: Which labels are known; the others become -1. All of them where omitted.

    Returns:
        Labels -1 to N, int64; the background is N, the last.

    Raises:
        OptionError: No rare class, one of them twice, or a negative one.
        ShapeError: ``labeled`` has another length.

    References:
        Mullapudi, Poms, Mark, Ramanan, Fatahalian (2021). Background splitting. CVPR, arXiv:2008.12873. *Differs* in
        order: their code puts the background first.

    Examples:
        >>> make_background_labels(torch.tensor([7, 3, 5, -1]), [5, 7]).tolist()
        [1, 2, 0, -1]
    """
    _check(rare)
    if labeled is not None and len(labeled) != len(labels):
        raise ShapeError(f"{len(labels)} labels, {len(labeled)} marks of labelled images")
    made = torch.full(labels.shape, len(rare), dtype=torch.int64, device=labels.device)
    for new, old in enumerate(rare):
        made[labels == old] = new
    made[labels < 0] = -1
    return made if labeled is None else made.masked_fill(~labeled, -1)


def with_rare(data: LabeledImages, rare: Sequence[str | int]) -> LabeledImages:
    """The same images with the rare classes as their only classes, all others as background.

    Images of a class called ``unlabeled`` become unlabelled, -1.

    Args:
        data: Images of any classes.
        rare: Names or numbers of classes.

    Returns:
        The images; its class names are those of the rare classes, in the order given.

    Raises:
        OptionError: There is no such class, one is named twice or means unlabelled, or none is named.

    Examples:
        >>> pixels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
        >>> zoo = LabeledImages(pixels, torch.tensor([0, 1, 2]), ("cat", "lynx", "dog"))
        >>> found = with_rare(zoo, ["lynx"])
        >>> found.class_names, found.labels.tolist(), found.background_count
        (('lynx',), [1, 0, 1], 2)
    """
    numbers = [_number(data.class_names, name) for name in rare]
    unlabeled = [at for at, name in enumerate(data.class_names) if name.lower() in UNLABELED_NAMES]
    if set(numbers) & set(unlabeled):
        raise OptionError(
            "the images of a class called unlabeled are unlabelled: it cannot be a rare class"
        )
    known = ~torch.isin(data.labels, torch.tensor(unlabeled, dtype=data.labels.dtype))
    labels = make_background_labels(data.labels, numbers, known)
    names = tuple(data.class_names[number] for number in numbers)
    return replace(data, labels=labels, class_names=names)


def named_rare(rare: Sequence[str | int]) -> tuple[str | int, ...]:
    """Rare classes as a recipe names them: a word that ends in ``.txt`` is a file with one class a line.

    Args:
        rare: Names, numbers and files, such as the official ``inaturalist17_bg_100.txt``.

    Returns:
        Names and numbers.

    Raises:
        DataError: A file cannot be read, or names no class.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "ids.txt")
        ...     _ = file.write_text("2484")
        ...     named_rare(["lynx", str(file)])
        ('lynx', '2484')
    """
    found: list[str | int] = []
    for one in rare:
        is_file = isinstance(one, str) and one.lower().endswith(".txt")
        found += _lines(Path(str(one))) if is_file else [one]
    return tuple(found)


def _lines(path: Path) -> list[str]:
    """The lines that are not empty."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the rare classes from {path}: {error}; it holds one class a line"
        ) from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise DataError(f"{path} names no rare class; it holds one class a line")
    return found


def _number(names: Sequence[str], wanted: str | int) -> int:
    """The label of a class; a name before a number, as class folders may be called 7."""
    if str(wanted) in names:
        return names.index(str(wanted))
    folded = [name.casefold() for name in names]
    if folded.count(str(wanted).casefold()) == 1:
        return folded.index(str(wanted).casefold())
    if str(wanted).isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise unknown_option("class of the data", wanted, names)


def _check(rare: Sequence[int]) -> None:
    """Refuse what is no list of classes."""
    if not rare or min(rare) < 0:
        raise OptionError(f"rare classes are one or more labels from 0, got {list(rare)}")
    if len(set(rare)) < len(rare):
        raise OptionError(f"a rare class is named twice: {list(rare)}")
