"""What may be said about loading a data set."""

__all__ = ["LoadOptions", "checked_flag", "official_errors"]

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from figureground.base.errors import DataError, OptionError
from figureground.data.planted import check_rho


@dataclass(frozen=True)
class LoadOptions:
    """Options of `load_dataset`; one that a set does not know is refused, not ignored.

    Args:
        seed: For the split into train and validation, and for what is generated.
        val_fraction: Share of the official training part that becomes ``val``, where there is no
            official one.
        download: Fetch the set from its official address when it is not there.
        count: How many images to generate (cluttered sets).
        rho: Probability that a background is that of the object's class (planted sets; 0.95 where None); ten numbers
            are those of the ten classes.
        background: Add the set's own background images under label K (Caltech's clutter category;
            clutter and planted backgrounds without an object, as many as an average class).
        test_fraction: Share of all images that becomes ``test``, where there is no official one.

    Raises:
        OptionError: A value is of the wrong type or out of range.
    """

    seed: int = 0
    val_fraction: float = 0.1
    download: bool = False
    count: int | None = None
    background: bool = False
    rho: float | tuple[float, ...] | None = None
    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        checked_flag("download", self.download)
        checked_flag("background", self.background)
        for name in ("val_fraction", "test_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise OptionError(f"{name} lies between 0 and 1, not {getattr(self, name)}")
        if self.count is not None and self.count < 1:
            raise OptionError(f"count is {self.count}; at least 1 is needed")
        if self.rho is not None:
            check_rho(self.rho)

    def refuse(self, dataset: str, *unknown: str) -> None:
        """Make sure that options which mean nothing for a set were left alone.

        Args:
            dataset: The set.
            unknown: Names of such options.

        Raises:
            OptionError: One of them was set.
        """
        for field in fields(self):
            given = getattr(self, field.name)
            if field.name in unknown and given != field.default:
                raise OptionError(
                    f"the set '{dataset}' has no option '{field.name}', which is {json.dumps(given)} here; of a recipe "
                    f"that sets it for another set it is left out by data.{field.name}={json.dumps(field.default)}"
                )


def checked_flag(name: str, value: object) -> bool:
    """A real truth value.

    ``"False"`` is a true value in Python: published results were measured on training images
    because of ``train='False'``.

    Args:
        name: Of the option.
        value: What came.

    Returns:
        It.

    Raises:
        OptionError: It is not ``True`` or ``False``.

    Examples:
        >>> checked_flag("train", False)
        False
    """
    if not isinstance(value, bool):
        raise OptionError(f"{name} is True or False, not {type(value).__name__} {value!r}")
    return value


@contextmanager
def official_errors(name: str, *, download: bool) -> Iterator[None]:
    """What torchvision raises for an absent or damaged set, as our error with a way out.

    Args:
        name: The set.
        download: Whether that was already tried.

    Yields:
        Nothing.

    Raises:
        DataError: In place of what torchvision raised.
    """
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        way = (
            "" if download else "; it is fetched from its official address with the option download"
        )
        raise DataError(f"cannot load the set '{name}': {error}{way}") from error
