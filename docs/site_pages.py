"""Pages of the site that are not written by hand: the reference, one page a room; algorithm cards; the journal.

Cards and journal keep their places, so that the links of the README hold on the site too.
"""

__all__ = ["on_config", "on_files"]

import ast
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "src" / "figureground"
_ROOMS = ("methods", "maps", "metrics", "models", "data", "capture", "training", "studies", "base")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the pages in the navigation.

    Args:
        config: Of the site.

    Returns:
        The same.
    """
    pages = {"Reference": _references(), "Algorithms": _cards(), "Journal": _journal()}
    start, *others = config.nav or []
    named = [{title: [{name: uri} for uri, name in found]} for title, found in pages.items()]
    config.nav = [start, *named, *others]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages.

    Args:
        files: Of the site.
        config: Of the site.

    Returns:
        The same, and the pages.
    """
    for uri, _ in (*_cards(), *_journal()):
        files.append(File.generated(config, uri, abs_src_path=str(_ROOT / uri)))
    for room in _ROOMS:
        files.append(File.generated(config, f"reference/{room}.md", content=_reference(room)))
    pictures = [
        p for p in (_ROOT / "journal").rglob("*") if p.suffix in {".png", ".jpg", ".svg", ".webp"}
    ]
    for path in pictures:
        uri = path.relative_to(_ROOT).as_posix()
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def _references() -> list[tuple[str, str]]:
    return [(f"reference/{room}.md", room.capitalize()) for room in _ROOMS]


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


def _reference(room: str) -> str:
    """Every module of a room that gives something to others."""
    lines = [f"# {room.capitalize()}"]
    for path in sorted((_PACKAGE / room).rglob("*.py")):
        if path.name != "__init__.py" and _exports(path):
            module = ".".join(path.relative_to(_ROOT / "src").with_suffix("").parts)
            lines.append(f"::: {module}")
    return "\n\n".join(lines) + "\n"


def _exports(path: Path) -> bool:
    """Whether a module has names in ``__all__``."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return bool(ast.literal_eval(node.value))
    return False
