"""Training images without those of some classes, which the network still has outputs for."""

__all__ = ["class_numbers", "without_classes"]

from collections.abc import Sequence

import torch

from figureground.base.errors import OptionError, unknown_option
from figureground.data.labeled import LabeledImages


def without_classes(data: LabeledImages, omitted: Sequence[str | int]) -> LabeledImages:
    """The same data set without the images of some classes; its class names stay as they are.

    Args:
        data: Images of any classes.
        omitted: Names or numbers of classes.

    Returns:
        The other images, backgrounds and unlabelled ones among them.

    Raises:
        OptionError: There is no such class, one is named twice, or no class is left.

    Examples:
        >>> pixels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
        >>> zoo = LabeledImages(pixels, torch.tensor([0, 1, 2]), ("cat", "lynx", "dog"))
        >>> without_classes(zoo, ["lynx"]).class_counts()
        [1, 0, 1]
    """
    numbers = class_numbers(data.class_names, omitted)
    kept = ~torch.isin(data.labels, torch.tensor(numbers, dtype=data.labels.dtype))
    known = (data.labels >= 0) & (data.labels < data.num_classes)
    if not (kept & known).any():
        raise OptionError(
            f"all classes that have images are omitted: {', '.join(map(str, omitted))}"
        )
    return data.subset(kept.nonzero().flatten())


def class_numbers(names: Sequence[str], wanted: Sequence[str | int]) -> list[int]:
    """Numbers of classes.

    Args:
        names: Of all classes.
        wanted: Names, in any case, or numbers. A word is a name first and then a number; a number is a number.

    Returns:
        One for each.

    Raises:
        OptionError: There is no such class, or one is named twice.

    Examples:
        >>> class_numbers(("cat", "Lynx", "1"), [0, "lynx", "1"])
        [0, 1, 2]
    """
    numbers = [_number(names, one) for one in wanted]
    if len(set(numbers)) < len(numbers):
        raise OptionError(f"a class is named twice: {', '.join(map(str, wanted))}")
    return numbers


def _number(names: Sequence[str], wanted: str | int) -> int:
    """Of one class."""
    folded = [name.casefold() for name in names]
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    if isinstance(wanted, str) and folded.count(wanted.casefold()) == 1:
        return folded.index(wanted.casefold())
    if str(wanted).isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise unknown_option("class of the data", wanted, names)
