"""What recipes may say of algorithms, known without loading torch: their pages are read and not run."""

__all__ = ["algorithm_keys", "refuse_unknown_keys"]

import ast
from collections.abc import Iterator
from pathlib import Path

from figureground.base.errors import OptionError, unknown_option
from figureground.training.recipe import Recipe

_ROOM = Path(__file__).parent / "algorithms"


def refuse_unknown_keys(recipe: Recipe) -> None:
    """Name an algorithm or a key of one that does not exist, before anything is loaded.

    Values are checked later, by the algorithms themselves.

    Args:
        recipe: As read.

    Raises:
        OptionError: There is no such algorithm or key; the message names the closest.
    """
    for entry in recipe.algorithms:
        for name, options in entry.items():
            keys = algorithm_keys(name)
            for key in options:
                if key not in keys:
                    raise OptionError(f"{name}: {unknown_option('key', key, keys)}")


def algorithm_keys(name: str) -> tuple[str, ...]:
    """The keys of an algorithm's options.

    Args:
        name: As recipes write it.

    Returns:
        The keys.

    Raises:
        OptionError: There is no such algorithm.

    Examples:
        >>> algorithm_keys("rotation")
        ('lam',)
    """  # noqa: DOC501 - unknown_option makes an OptionError
    known = {page.parent.name.replace("_", "-"): page for page in _ROOM.glob("*/algorithm.py")}
    if name not in known:
        raise unknown_option("algorithm", name, known)
    pages = [known[name].with_name("options.py"), known[name]]
    nodes = [node for page in pages if page.exists() for node in _classes(page)]
    classes = {node.name: node for node in nodes}
    chosen = next(value for node in nodes for key, value in _names(node) if key == "Options")
    return tuple(dict.fromkeys(_keys(chosen, classes)))


def _classes(page: Path) -> list[ast.ClassDef]:
    """The classes of a page."""
    body = ast.parse(page.read_text(encoding="utf-8")).body
    return [node for node in body if isinstance(node, ast.ClassDef)]


def _names(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """``name = other`` in the body of a class."""
    for one in node.body:
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Name):
            yield from ((ast.unparse(target), one.value.id) for target in one.targets)


def _keys(name: str, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    """Fields of a class and of those that it builds on."""
    if name in classes:
        for base in classes[name].bases:
            yield from _keys(ast.unparse(base), classes)
        for one in classes[name].body:
            if isinstance(one, ast.AnnAssign):
                yield ast.unparse(one.target)
