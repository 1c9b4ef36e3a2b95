"""The models that can be loaded by name."""

__all__ = ["list_models"]

from fnmatch import fnmatchcase

from figureground.models.source import SOURCES, source


def list_models(pattern: str | None = None) -> list[str]:
    """Full names of all models that can be listed, ours first.

    Args:
        pattern: Part of a name, or a pattern with ``*``, ``?`` or ``[…]``; upper and lower case are the same.

    Returns:
        Names for ``load_classifier``. Models on the Hugging Face hub and in files are not listed.

    Examples:
        >>> list_models("figureground:*-gap")[:2]
        ['figureground:lenet-gap', 'figureground:alexnet-gap']
    """
    kinds = sorted(SOURCES, key=lambda kind: kind != "figureground")
    names = [f"{kind}:{name}" for kind in kinds for name in source(kind).names()]
    if pattern is None:
        return names
    wanted = pattern.lower()
    if not any(mark in wanted for mark in "*?["):
        wanted = f"*{wanted}*"
    elif ":" not in wanted:
        wanted = f"*:{wanted}"
    return [name for name in names if fnmatchcase(name.lower(), wanted)]
