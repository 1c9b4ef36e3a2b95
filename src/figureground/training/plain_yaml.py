"""YAML as plain data, whoever wrote it: nothing that unfolds without end, and one kind of error."""

__all__ = ["plain_yaml"]

from typing import Any

import yaml

from figureground.base.errors import DataError

_MOST_ALIASES, _DEEPEST = 10, 50


def plain_yaml(text: str) -> object:
    """What YAML text holds: mappings, lists, words and numbers.

    Args:
        text: One document.

    Returns:
        The data.

    Raises:
        DataError: It is not YAML, refers to itself, has more than 10 aliases (each may double what comes before it) or
            is nested more than 50 deep.

    Examples:
        >>> plain_yaml("a: [1, 2.5, yes]")
        {'a': [1, 2.5, True]}
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - made of the safe one
    except (
        yaml.YAMLError,
        ValueError,
        OverflowError,
    ) as error:  # a date such as 2001-99-99 is a ValueError
        raise DataError(f"not plain YAML: {' '.join(str(error).split())}") from error


class _Loader(yaml.SafeLoader):
    """The safe loader with bounds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._aliases = 0
        self._open: list[str | None] = []  # anchors of the nodes around the present one

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - a number or a node
        """A node, counted."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        is_alias = isinstance(event, yaml.AliasEvent)
        self._aliases += is_alias
        if is_alias and event.anchor in self._open:
            raise yaml.YAMLError(f"*{event.anchor} refers to itself")
        if self._aliases > _MOST_ALIASES:
            raise yaml.YAMLError(f"more than {_MOST_ALIASES} aliases")
        if len(self._open) > _DEEPEST:
            raise yaml.YAMLError(f"nested more than {_DEEPEST} deep")
        self._open.append(event.anchor)
        node = super().compose_node(parent, index)
        self._open.pop()
        return node
