"""Changes of a recipe as they are typed: ``optimiser.lr=0.5``."""

__all__ = ["with_change"]

from collections.abc import Collection
from typing import Any

from figureground.base.errors import DataError, OptionError
from figureground.training.plain_yaml import plain_yaml


def with_change(content: dict[str, Any], change: str, sections: Collection[str]) -> dict[str, Any]:
    """A recipe's plain data with one change; the data itself stays as it is.

    Args:
        content: As a YAML file holds it.
        change: ``a.b=c``. A key may be the number of an item in a list (``algorithms.0.rotation.weight=2``), and
            an algorithm's name may stand for its options (``rotation.weight=2``).
        sections: Keys of a recipe, which no algorithm's name hides.

    Returns:
        A changed copy; mappings that are not there are made.

    Raises:
        OptionError: It is not ``key=value``, the value is not YAML, or a list has no such item.

    Examples:
        >>> with_change({"algorithms": [{"rotation": {}}]}, "algorithms.0.rotation.weight=2", [])
        {'algorithms': [{'rotation': {'weight': 2}}]}
    """
    path, equals, text = change.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise OptionError(f"'{change}' is not key=value")
    try:
        value = plain_yaml(text)
    except DataError as error:
        raise OptionError(f"the value in '{change}' is {error}") from error
    if keys[0] not in sections:
        keys = _through_list(content.get("algorithms"), keys)
    found: dict[str, Any] = _put(content, keys, value)
    return found


def _through_list(algorithms: object, keys: list[str]) -> list[str]:
    """The keys with the place in the list before the name of an algorithm."""
    for at, entry in enumerate(algorithms if isinstance(algorithms, list | tuple) else ()):
        if isinstance(entry, dict) and {*entry} == {keys[0]} and len(keys) > 1:
            return ["algorithms", str(at), *keys]
    return keys


def _put(place: object, keys: list[str], value: object) -> Any:  # noqa: ANN401 - as nested as the keys
    """A copy of the place in which the keys lead to the value."""
    if not keys:
        return value
    key, *rest = keys
    if isinstance(place, list | tuple):
        if not key.isdecimal() or int(key) >= len(place):
            last = len(place) - 1
            raise OptionError(
                f"'{key}' in '{'.'.join(keys)}' is no item of a list, which are counted from 0 (the last one is {last})"
            )
        items = list(place)
        items[int(key)] = _put(items[int(key)], rest, value)
        return items
    inner = place if isinstance(place, dict) else {}
    return {**inner, key: _put(inner.get(key), rest, value)}
