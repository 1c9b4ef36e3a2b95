"""Every registry entry has its paper, its test and its row, and stands on its own."""

import ast
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from figureground.base.paper import Paper

# One line for each registry: where it is, what it is called, whose table of the README lists it.
REGISTRIES = {
    "methods": ("figureground.methods.registry", "METHODS"),
    "algorithms": ("figureground.training.algorithms", "ALGORITHMS"),
}


def entries(table: str) -> dict[str, Any]:
    """The registry that a table of the README lists; entries that can be read without their class are loaded."""
    module, name = REGISTRIES[table]
    registry = getattr(importlib.import_module(module), name)
    return {
        key: entry if isinstance(entry, type) else entry.load() for key, entry in registry.items()
    }


def misnamed(registry: dict[str, Any]) -> list[str]:
    """A complaint for each entry whose own name or paper is not as the registry needs it."""
    return [
        f"{key}: {entry.__name__} has name {entry.name!r} and paper {entry.paper!r}"
        for key, entry in registry.items()
        if entry.name != key or not isinstance(entry.paper, Paper) or not entry.paper.title
    ]


def untested(registry: dict[str, Any], tests: Path) -> list[str]:
    """A complaint for each entry that no test file names."""
    words = "\n".join(path.read_text(encoding="utf-8") for path in tests.rglob("test_*.py"))
    return [
        f"{key}: no test names {entry.__name__}"
        for key, entry in registry.items()
        if entry.__name__ not in words
    ]


def unlisted(registry: dict[str, Any], readme: str) -> list[str]:
    """A complaint for each entry without a row in the README."""
    return [f"{key}: no row in the README" for key in registry if f"| `{key}` |" not in readme]


def acquainted(modules: dict[str, str]) -> list[str]:
    """A complaint for each module, name -> source, that imports another one."""
    return [
        f"{name} imports {other}"
        for name, source in modules.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for other in _imported(node)
        if other in modules
    ]


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Every module that an import may mean."""
    names = {alias.name for alias in node.names}
    if isinstance(node, ast.Import):
        return names
    return {str(node.module)} | {f"{node.module}.{name}" for name in names}


@pytest.fixture(scope="module")
def tables(root: Path) -> ModuleType:
    """The script ``docs/tables.py``."""
    spec = importlib.util.spec_from_file_location("tables", root / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


each_registry = pytest.mark.parametrize("table", REGISTRIES)


@each_registry
def test_every_entry_has_its_name_and_a_paper(table: str):
    bad = misnamed(entries(table))
    assert not bad, "\n".join(bad)


@each_registry
def test_every_entry_is_named_in_a_test(table: str, root: Path):
    bad = untested(entries(table), root / "tests")
    assert not bad, "\n".join(bad)


@each_registry
def test_every_entry_has_a_row_in_the_readme(table: str, root: Path):
    bad = unlisted(entries(table), (root / "README.md").read_text(encoding="utf-8"))
    assert not bad, "\n".join(bad)


@each_registry
def test_files_of_entries_do_not_import_one_another(table: str):
    files = {entry.__module__ for entry in entries(table).values()}
    found = {name: importlib.util.find_spec(name) for name in files}
    sources = {
        name: Path(str(spec.origin)).read_text("utf-8") for name, spec in found.items() if spec
    }
    assert len(sources) == len(files)
    bad = acquainted(sources)
    assert not bad, "\n".join(bad)


def test_every_algorithm_has_a_card_with_what_was_measured(root: Path):
    for name, algorithm in entries("algorithms").items():
        file = importlib.util.find_spec(algorithm.__module__)
        assert file is not None
        assert file.origin is not None
        card = Path(file.origin).parent / "README.md"
        assert card.exists(), f"{name}: no card {card}"
        text = card.read_text(encoding="utf-8")
        assert "## Results" in text, f"{name}: the card does not say what was measured"


def test_every_registry_has_a_table(tables: ModuleType):
    assert tables.TABLES.keys() == REGISTRIES.keys()


def test_tables_of_the_readme_are_fresh(tables: ModuleType, root: Path):
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert tables.freshened(readme, tables.TABLES) == readme, "bring it up to date: make tables"


def test_a_stale_table_is_replaced_and_the_text_around_it_is_kept(tables: ModuleType):
    text = "before\n<!-- table: one -->\n\n| old |\n\n<!-- end -->\nafter <!-- end -->\n"
    fresh = tables.freshened(text, {"one": lambda: r"| \1 new |"})
    assert (
        fresh == "before\n<!-- table: one -->\n\n| \\1 new |\n\n<!-- end -->\nafter <!-- end -->\n"
    )
    with pytest.raises(ValueError, match="'two' has 0 places"):
        tables.freshened(text, {"two": str})


def test_an_entry_without_name_paper_test_or_row_is_reported(tmp_path: Path):
    class Lonely:
        name = "lonely"
        paper = None

    (tmp_path / "test_other.py").write_text("Other\n")
    registry = {"lonely": Lonely}
    assert len(misnamed(registry)) == len(untested(registry, tmp_path)) == 1
    assert len(unlisted(registry, "| `other` |")) == 1
    (tmp_path / "test_lonely.py").write_text("Lonely\n")
    Lonely.paper = Paper("A", "B", 2017, "C")  # type: ignore[assignment]
    assert misnamed(registry) == untested(registry, tmp_path) == []
    assert unlisted(registry, "| `lonely` | x |") == []
    assert len(misnamed({"other": Lonely})) == 1


@pytest.mark.parametrize("line", ["import a.one", "from a import one", "from a.one import f"])
def test_an_entry_that_imports_another_is_reported(line: str):
    assert acquainted({"a.one": "", "a.two": line}) == ["a.two imports a.one"]
    assert acquainted({"a.two": line}) == []
