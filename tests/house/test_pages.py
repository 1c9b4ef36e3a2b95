"""How a page of the package looks: a telling name, then what it is, then what it offers."""

import ast
from pathlib import Path

BANNED_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "core"}


def banned_names(path: Path) -> list[str]:
    """A complaint for each word of the path that says nothing about the content."""
    words = [*path.parts[:-1], path.stem]
    return [f"{path}: '{word}' says nothing" for word in words if word.strip("_") in BANNED_NAMES]


def missing_contents(path: Path) -> list[str]:
    """A complaint when the page does not begin with its docstring and then ``__all__``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if ast.get_docstring(tree) is None:
        return [f"{path}: no docstring"]
    trivial = all(_defined(statement) in {None, "__version__"} for statement in tree.body[1:])
    if trivial or _defined(tree.body[1]) == "__all__":
        return []
    return [f"{path}: __all__ does not follow the docstring"]


def _defined(statement: ast.stmt) -> str | None:
    """The name that a statement of a module brings in, a word for imports, else None."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return "an import"
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return targets[0].id if isinstance(targets[0], ast.Name) else None


def test_no_module_is_called_after_nothing(sources: list[Path], root: Path):
    inside = [path.relative_to(root / "src") for path in sources]
    ours = [path for path in inside if path.parts[1] != "compat"]  # whose names are those of others
    bad = [complaint for path in ours for complaint in banned_names(path)]
    assert not bad, "\n".join(bad)


def test_all_follows_the_docstring_in_every_module(sources: list[Path]):
    bad = [complaint for path in sources for complaint in missing_contents(path)]
    assert not bad, "\n".join(bad)


def test_a_banned_name_is_reported_for_a_file_and_for_a_folder():
    assert banned_names(Path("figureground/maps/_utils.py"))
    assert banned_names(Path("figureground/common/boxes.py"))
    assert banned_names(Path("figureground/maps/boxes.py")) == []


def test_a_page_without_docstring_or_contents_is_reported(tmp_path: Path):
    path = tmp_path / "page.py"
    for bad in (
        "x = 1\n",
        '"""Title."""\nimport ast\n__all__ = []\n',
        '"""Title."""\nx: int = 1\n',
    ):
        path.write_text(bad)
        assert len(missing_contents(path)) == 1, bad
    for good in (
        '"""Title."""\n',
        '"""Title."""\n__version__ = "1"\n',
        '"""T."""\n__all__ = ["ast"]\nimport ast\n',
    ):
        path.write_text(good)
        assert missing_contents(path) == [], good
