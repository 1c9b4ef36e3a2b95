"""Names of files and classes are text on the terminal, whatever characters they hold."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import Result

from figureground.base.printable import printable
from figureground.cli import console
from figureground.reports.tables import Table as RecordTable, as_markdown

Run = Callable[..., Result]

EVIL = "a\x1b[31m\x9b2J\r\x07\u202e[b]x[/b].png"
SHOWN = r"a\x1b[31m\x9b2J\r\x07\u202e[b]x[/b].png"


def test_characters_that_act_are_written_as_escapes():
    assert printable(EVIL) == SHOWN
    assert printable("one\ntwo\tthree\u2028\udcff") == r"one\ntwo\tthree\u2028\udcff"
    assert printable("Käfig – 猫 🐈") == "Käfig – 猫 🐈"


@pytest.mark.parametrize("colour", [False, True])
def test_lines_tables_and_bars_show_them(
    colour: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    if colour:
        monkeypatch.setenv("FORCE_COLOR", "1")
    console.say(EVIL)
    console.complain(EVIL, style="bold red")
    table = Table(EVIL)
    table.add_row(EVIL)
    console.out().print(table)
    with console.progress_bars() as progress:
        progress(EVIL, 1, 2)
    found = "".join(capsys.readouterr())
    assert found.count(SHOWN) >= 5
    for acting in ("\x1b[31m\x9b", "\x9b", "\r\x07", "\x07", "\u202e"):
        assert acting not in found


def test_a_line_break_in_a_name_makes_no_line(capsys: pytest.CaptureFixture[str]):
    console.say("x\nerror: none")
    assert capsys.readouterr().out == "x\\nerror: none\n"


def test_tables_in_markdown_escape_them():
    found = as_markdown(RecordTable(("name",), (("a\x1b[2J\u202e|b",),)))
    assert found == "| name |\n| --- |\n| a\\\\x1b\\[2J\\\\u202e\\|b |\n"


@pytest.mark.parametrize("verb", ["explain", "rank"])
def test_a_file_that_cannot_be_read_is_named_harmlessly(
    verb: str, type_in: Run, images: Path, model: str, tmp_path: Path
):
    (images / EVIL.replace("/", "")).write_bytes(b"no image")
    words = ("--classes", "0") if verb == "rank" else ()
    done = type_in(verb, images, "--model", model, *words, "--out", tmp_path / "o")
    assert done.exit_code == 2, done.output
    assert r"a\x1b[31m\x9b2J\r\x07\u202e" in done.output
    assert "\x1b[31m" not in done.output


def test_standard_output_of_any_kind_gets_no_control_characters(monkeypatch: pytest.MonkeyPatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    console.say("a\x1b[31m")
    console.say_table({"title": "t\x07", "columns": ["[b]c"], "rows": [["d\x1b[2J"]]})
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert lines == ["a\\x1b[31m", "", "t\\x07", "[b]c", "d\\x1b[2J"]
