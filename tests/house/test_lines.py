"""Lines that do not belong into the project, whatever the file."""

import ast
import re
from pathlib import Path

import pytest

BAD = {
    "a path of one machine": re.compile(
        r"(?<![\w.:/~}\]*>-])/(?:home|root|work|mnt|opt|Users|tmp)/\w|\b[A-Z]:\\{1,2}Users"
    ),
    "a package registry's address": re.compile(
        r"https?://(?:pypi\.org/simple|files\.pythonhosted\.org|download\.pytorch\.org/whl)"
        r"|(?:index-url|index_url|find-links|resolved)[\"' ]*[:= ]+[\"']?https?:"
    ),
    "a type comment that silences everything": re.compile(r"#\s*type:\s*ignore(?!\[)"),
}
SKIPS = {"skip", "skipif", "xfail"}
CLOCKS = {"monotonic", "perf_counter", "process_time", "time"}


def bad_lines(path: Path) -> list[str]:
    """A complaint for each line that holds one of the patterns."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []  # a picture
    return [
        f"{path}:{number}: {what}"
        for number, line in enumerate(lines, start=1)
        for what, pattern in BAD.items()
        if pattern.search(line)
    ]


def silent_skips(path: Path) -> list[str]:
    """A complaint for each ``pytest.skip`` or ``pytest.mark.skip`` that gives no reason."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    explained = {id(call.func) for call in calls if _gives_reason(call)}
    return [
        f"{path}:{node.lineno}: {ast.unparse(node)} without a reason"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _is_skip(node) and id(node) not in explained
    ]


def timed_asserts(path: Path) -> list[str]:
    """A complaint for each ``assert`` that reads a clock: a busy machine would fail it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        f"{path}:{check.lineno}: asserts a wall-clock time"
        for check in ast.walk(tree)
        if isinstance(check, ast.Assert)
        and any(
            isinstance(node, ast.Attribute)
            and node.attr in CLOCKS
            and ast.unparse(node.value) == "time"
            for node in ast.walk(check)
        )
    ]


def _is_skip(node: ast.Attribute) -> bool:
    """Whether this is ``pytest.skip``, ``pytest.mark.skipif`` or a kin."""
    return node.attr in SKIPS and ast.unparse(node.value) in {"pytest", "pytest.mark"}


def _gives_reason(call: ast.Call) -> bool:
    """Whether a call gives the reason by name, or by position where ``skip`` takes it so."""
    named = {word.arg for word in call.keywords}
    return "reason" in named or (getattr(call.func, "attr", "") == "skip" and bool(call.args))


def test_no_line_is_out_of_place(texts: list[Path]):
    bad = [complaint for path in texts for complaint in bad_lines(path)]
    assert not bad, "\n".join(bad)


def test_every_skip_gives_its_reason(scripts: list[Path]):
    bad = [complaint for path in scripts for complaint in silent_skips(path)]
    assert not bad, "\n".join(bad)


def test_no_test_asserts_a_wall_clock_time(scripts: list[Path]):
    bad = [complaint for path in scripts for complaint in timed_asserts(path)]
    assert not bad, "\n".join(bad)


def test_an_assert_on_a_clock_is_reported(tmp_path: Path):
    path = tmp_path / "test_page.py"
    path.write_text("while time.time() < 1:\n    assert time.monotonic() - start < 2\n")
    assert timed_asserts(path) == [f"{path}:2: asserts a wall-clock time"]


# written with escapes, so that this page does not complain of itself
@pytest.mark.parametrize(
    "line",
    [
        "open('\x2fhome\x2fsomebody/photo.jpg')",
        "folder = \x2fmnt\x2fdisk",
        "C:\x5cUsers\x5csomebody",
        "--extra-index-url https\x3a//example.org/",
        "https\x3a//pypi.org/simple/torch",
        "x = f()  # type\x3a ignore",
    ],
)
def test_a_line_out_of_place_is_reported(line: str, tmp_path: Path):
    path = tmp_path / "page.txt"
    path.write_text(f"fine\n{line}\n")
    assert len(bad_lines(path)) == 1


def test_web_addresses_and_relative_paths_are_no_paths_of_a_machine(tmp_path: Path):
    path = tmp_path / "page.txt"
    path.write_text(
        "https://example.org/home/page\n./tmp/x\nout/tmp/y\nx  # type: ignore[no-any-return]\n"
    )
    assert bad_lines(path) == []


def test_a_skip_without_a_reason_is_reported(tmp_path: Path):
    path = tmp_path / "test_page.py"
    for bad in ("pytest.skip()", "@pytest.mark.skip\ndef test(): ...", "pytest.mark.skipif(True)"):
        path.write_text(bad + "\n")
        assert len(silent_skips(path)) == 1, bad
    path.write_text("pytest.skip('no data')\npytest.mark.skipif(True, reason='no data')\n")
    assert silent_skips(path) == []
