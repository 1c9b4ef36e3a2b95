"""A file ends at 300 lines of code and a function at 40; past that, it holds two things.

Docstrings do not count, and neither do tables: a dict literal of a module, such as a registry, grows a line at a time.
"""

import ast
import io
import tokenize
from pathlib import Path

FILE_LINES = 300
BODY_LINES = 40


def long_file(path: Path) -> list[str]:
    """A complaint when the file has too many lines of code."""
    lines = len(code_lines(path.read_text(encoding="utf-8")))
    return [f"{path}: {lines} lines of code, at most {FILE_LINES}"] if lines > FILE_LINES else []


def code_lines(source: str) -> set[int]:
    """Lines that hold code: neither blank nor only a comment, docstrings and tables of the module apart."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped and token.string:
            lines |= set(range(token.start[0], token.end[0] + 1))
    tree = ast.parse(source)
    for statement in tree.body:
        if isinstance(getattr(statement, "value", None), ast.Dict):
            lines -= set(range(statement.lineno, (statement.end_lineno or 0) + 1))
    for node in ast.walk(tree):
        kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


def long_functions(path: Path) -> list[str]:
    """A complaint for each function whose body, docstring not counted, is too long."""
    return [
        f"{path}:{node.lineno}: {node.name} has {lines} lines, at most {BODY_LINES}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := body_lines(node)) > BODY_LINES
    ]


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_files_are_short(scripts: list[Path]):
    bad = [complaint for path in scripts for complaint in long_file(path)]
    assert not bad, "\n".join(bad)


def test_functions_are_short(scripts: list[Path]):
    bad = [complaint for path in scripts for complaint in long_functions(path)]
    assert not bad, "\n".join(bad)


def test_the_301st_line_of_code_is_reported_and_words_are_not_counted(tmp_path: Path):
    path = tmp_path / "long.py"
    words = '"""Title.\n\nMore.\n"""\n\n# why\n' + "def f():\n" + '    """Title."""\n'
    path.write_text(words + "    return 1\n" + "x = 1\n" * 298)
    assert long_file(path) == []
    path.write_text(words + "    return 1\n" + "x = 1\n" * 299)
    assert len(long_file(path)) == 1
    path.write_text("x = 1\n" * 300 + "TABLE = {\n" + "    1: 2,\n" * 400 + "}\n")
    assert long_file(path) == []
    path.write_text("x = 1\n" * 301)
    assert len(long_file(path)) == 1


def test_the_41st_line_of_a_body_is_reported_and_its_docstring_is_not_counted(tmp_path: Path):
    path = tmp_path / "long.py"
    path.write_text('def f():\n    """Title.\n\n    More.\n    """\n' + "    x = 1\n" * 40)
    assert long_functions(path) == []
    path.write_text("class A:\n  async def f(self):\n" + "    x = 1\n" * 41)
    assert [complaint.rpartition(": ")[2] for complaint in long_functions(path)] == [
        "f has 41 lines, at most 40"
    ]
