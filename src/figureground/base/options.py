"""Options as data: a field states its default, its help text and its range; commands and records are made of them."""

__all__ = ["Options", "option"]

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, SupportsFloat

from figureground.base.errors import OptionError, unknown_option


def option(
    default: Any,  # noqa: ANN401 - of the field's own type
    description: str,
    *,
    choices: Sequence[str] = (),
    least: SupportsFloat | None = None,
    most: SupportsFloat | None = None,
    panel: str | None = None,
    repeat: bool = False,
    flag: str | None = None,
) -> Any:  # noqa: ANN401 - dataclasses.field is typed as what it stands for
    """A field of an options class.

    Args:
        default: Its default; a list or dict is copied for every instance.
        description: One sentence without the trailing details that the field's type already tells.
        choices: Every value that is allowed (of each item, for a tuple), where they are few.
        least: The smallest number that is allowed.
        most: The largest number that is allowed.
        panel: Heading in the command's help.
        flag: Spellings on the command line, between commas, where they are not the field's name alone.
        repeat: Whether the items of a tuple are given one by one on the command line, not between commas.

    Returns:
        The field for a dataclass.
    """
    about = {
        "description": description, "choices": tuple(choices), "least": least, "most": most, "panel": panel,
        "repeat": repeat, "flag": flag,
    }  # fmt: skip
    return field(default=default, metadata=about)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of all options: values are checked against what each field allows when an instance is made.

    Raises:
        OptionError: A value is not among the choices, or a number is out of range.

    Examples:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Sweep(Options):
        ...     steps: int = option(14, "Number of steps.", least=2)
        >>> Sweep(steps=1)
        Traceback (most recent call last):
            ...
        figureground.base.errors.OptionError: steps must be at least 2, got 1
    """

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            values = value if isinstance(value, tuple) else (value,)
            for each in values if one.metadata and value is not None else ():
                _check(one.name, each, **one.metadata)

    @property
    def description(self) -> dict[str, str]:
        """Field -> value in plain text, for a record."""
        return {one.name: _text(getattr(self, one.name)) for one in fields(self)}


def _check(name: str, value: object, **about: Any) -> None:  # noqa: ANN401 - a field's metadata
    """Refuse a value that the field does not allow."""
    if about["choices"] and value not in about["choices"]:
        raise unknown_option(name.replace("_", " "), value, about["choices"])
    if not isinstance(value, int | float):
        return
    if about["least"] is not None and not value >= about["least"]:
        raise OptionError(f"{name} must be at least {about['least']:g}, got {value}")
    if about["most"] is not None and not value <= about["most"]:
        raise OptionError(f"{name} must be at most {about['most']:g}, got {value}")


def _text(value: object) -> str:
    """A value in a record: no brackets, no quotes."""
    if isinstance(value, tuple):
        return ", ".join(map(_text, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
