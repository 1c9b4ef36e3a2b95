"""Pages of the site that are not written by hand: the reference, recipes and commands; algorithm cards; the journal.

Cards and journal keep their places, so that the links of the README hold on the site too. The reference has every
module that gives something to others; ``tests/test_reference.py`` holds that no public name is left out.
"""

__all__ = ["on_config", "on_files", "reference_pages"]

import ast
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "src" / "figureground"
# the command line is left out: it explains itself, by --help
_ROOMS = (
    *("methods", "maps", "metrics", "models", "data", "training", "studies", "reports"),
    *("capture", "base", "engines"),
)


def on_config(config: "MkDocsConfig") -> "MkDocsConfig":
    """Name the pages in the navigation.

    Args:
        config: Of the site.

    Returns:
        The same.
    """
    made = [(uri, title) for uri, (title, _) in _made().items()]
    pages = {
        "Reference": [*made, *_references()],
        "Algorithms": _cards(),
        "Journal": _journal(),
    }
    named = [{title: [{name: uri} for uri, name in found]} for title, found in pages.items()]
    start, *others = config.nav or []
    tutorials = [{name: uri} for uri, name in _tutorials()]
    config.nav = [start, {"Tutorials": tutorials}, *others, *named]
    return config


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages.

    Args:
        files: Of the site.
        config: Of the site.

    Returns:
        The same, and the pages.
    """
    from mkdocs.structure.files import File  # noqa: PLC0415 - the tests read this file without mkdocs

    for uri, _ in (*_tutorials(), *_cards(), *_journal()):
        files.append(File.generated(config, uri, abs_src_path=str(_ROOT / uri)))
    for room, modules in reference_pages().items():
        content = _reference(room, modules)
        files.append(File.generated(config, f"reference/{room}.md", content=content))
    for uri, (_, make) in _made().items():
        files.append(File.generated(config, uri, content=make()))
    folders = (_ROOT / "journal", _ROOT / "docs" / "tutorials", _ROOT / "docs" / "pictures")
    shown = [path for folder in folders for path in folder.rglob("*")]
    pictures = [p for p in shown if p.suffix in {".png", ".jpg", ".svg", ".webp"}]
    for path in pictures:
        uri = path.relative_to(_ROOT).as_posix()
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def _made() -> dict[str, tuple[str, Callable[[], str]]]:
    """Pages that are made from the code: place -> title and maker."""
    spec = importlib.util.spec_from_file_location(
        "made_pages", Path(__file__).with_name("made_pages.py")
    )
    assert spec is not None  # noqa: S101 - it lies beside this file
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, tuple[str, Callable[[], str]]] = module.MADE
    return made


def _references() -> list[tuple[str, str]]:
    return [(f"reference/{room}.md", room.capitalize()) for room in _ROOMS]


def _tutorials() -> list[tuple[str, str]]:
    """Get started first, the others after it."""
    paths = sorted((_ROOT / "docs" / "tutorials").glob("*.md"), key=_order)
    return _pages(paths)


def _order(path: Path) -> int:
    """Where a tutorial stands."""
    order = ("start", "cheating", "localisation", "background_class", "rare", "labelling", "distil")
    return order.index(path.stem)


def _cards() -> list[tuple[str, str]]:
    return _pages(sorted(_PACKAGE.glob("training/algorithms/*/README.md")))


def _journal() -> list[tuple[str, str]]:
    return _pages(sorted((_ROOT / "journal").glob("*.md"), reverse=True))


def _pages(paths: list[Path]) -> list[tuple[str, str]]:
    """Place and title of each, the title from its first heading."""
    found = []
    for path in paths:
        heading = path.read_text(encoding="utf-8").partition("\n")[0]
        found.append((path.relative_to(_ROOT).as_posix(), heading.lstrip("# ")))
    return found


def reference_pages() -> dict[str, dict[str, tuple[str, ...]]]:
    """What the reference documents.

    Returns:
        Room -> module -> the names of it that stand on the room's page.
    """
    return {room: _documented(room) for room in _ROOMS}


def _documented(room: str) -> dict[str, tuple[str, ...]]:
    """Every module of a room that gives something to others; of a package, what its own file defines."""
    found = {}
    for path in sorted((_PACKAGE / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = _exports(tree)
        parts = path.relative_to(_ROOT / "src").with_suffix("").parts
        if path.name == "__init__.py":
            parts, defined = parts[:-1], _definitions(tree)
            names = tuple(name for name in names if name in defined)
        if names:
            found[".".join(parts)] = names
    return found


def _reference(room: str, modules: dict[str, tuple[str, ...]]) -> str:
    """A page: what the room is for, then its modules."""
    lines = [f"# {room.capitalize()}"]
    tree = ast.parse((_PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    lines += [words] if (words := ast.get_docstring(tree)) else []
    for module, names in modules.items():
        members = "\n".join(f"        - {name}" for name in names)
        lines.append(f"::: {module}\n    options:\n      members:\n{members}")
    return "\n\n".join(lines) + "\n"


def _exports(tree: ast.Module) -> tuple[str, ...]:
    """The names in ``__all__``."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    return ()


def _definitions(tree: ast.Module) -> set[str]:
    """What a module defines itself, imports left out."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found
