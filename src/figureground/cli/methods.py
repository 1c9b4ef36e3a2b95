"""Methods as they are typed: names between commas, options in brackets."""

__all__ = ["key_values", "typed_methods"]

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from figureground.base.errors import OptionError

if TYPE_CHECKING:
    from figureground.methods import CamMethod

_METHOD = re.compile(r"\s*([^,()]+?)\s*(?:\(([^()]*)\))?\s*(?:,|$)")


def typed_methods(text: str) -> "dict[str, CamMethod]":
    """Methods with their options.

    Args:
        text: ``grad-cam,eigen-cam(center=true, sign=raw)``.

    Returns:
        Row name -> method; the row is named as typed where options are given.

    Raises:
        OptionError: It cannot be read, or a method or option does not exist.

    Examples:
        >>> list(typed_methods("GradCAM, eigen-cam(center=true)"))
        ['grad-cam', 'eigen-cam(center=true)']
    """
    from figureground.methods import find_methods  # noqa: PLC0415 - torch is slow to import

    found: dict[str, CamMethod] = {}
    at = 0
    while at < len(text.strip()):
        match = _METHOD.match(text, at)
        if match is None:
            raise OptionError(f"cannot read the methods '{text}': name,name(option=value), ...")
        ((name, method),) = find_methods(match[1]).items()
        words = [word.strip() for word in (match[2] or "").split(",") if word.strip()]
        row = f"{name}({', '.join(words)})" if words else name
        if row in found:
            raise OptionError(f"method '{row}' is asked for twice")
        found[row] = _configured(method, words) if words else method
        at = match.end()
    if not found:
        raise OptionError("no method asked for")
    return found


def key_values(words: Sequence[str]) -> dict[str, Any]:
    """``key=value`` words as a dict; values are read as JSON where they are JSON, else taken as text.

    Args:
        words: As typed.

    Returns:
        The dict.

    Raises:
        OptionError: A word without ``=``.

    Examples:
        >>> key_values(["num_classes=10", "pad_type=same", "pretrained=false"])
        {'num_classes': 10, 'pad_type': 'same', 'pretrained': False}
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise OptionError(f"'{word}' is not key=value")
        found[key.strip()] = _json_value(value)
    return found


def _json_value(text: str) -> Any:  # noqa: ANN401 - anything that JSON can say
    plain = {"True": True, "False": False, "None": None}
    if text in plain:
        return plain[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _configured(method: "CamMethod", words: list[str]) -> "CamMethod":
    """The method with other options."""
    try:
        return type(method)(**key_values(words))
    except TypeError as error:
        raise OptionError(
            f"{method.name} cannot be made with {', '.join(words)}: {error}"
        ) from error
