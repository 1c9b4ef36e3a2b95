"""Names of a package that are loaded when they are first used, so that importing it costs nothing."""

__all__ = ["load"]

from collections.abc import Mapping
from importlib import import_module


def load(package: str, name: str, table: Mapping[str, str]) -> object:
    """What a name of a package stands for; meant for its ``__getattr__``.

    Args:
        package: Name of the package, for the message.
        name: What was asked for.
        table: Name -> ``module`` or ``module:name in it``.

    Returns:
        The module, or what it holds under that name.

    Raises:
        AttributeError: The table does not know the name.

    Examples:
        >>> load("numbers", "root", {"root": "math:sqrt"})(9.0)
        3.0
    """
    if name not in table:
        raise AttributeError(f"module '{package}' has no attribute '{name}'")
    module, _, inside = table[name].partition(":")
    loaded = import_module(module)
    return getattr(loaded, inside) if inside else loaded
