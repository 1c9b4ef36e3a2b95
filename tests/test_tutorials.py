"""The tutorials keep their promises: every block of every page is run, in order, in an empty folder."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from figureground.cli.main import app

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
PAGES = sorted(FOLDER.glob("*.md"))
Printed = Callable[[], str]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Kind and content of the blocks of a page that are run."""
    return re.findall(r"```(python|console)\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def run_block(kind: str, content: str, scope: dict[str, object]) -> str:
    """What the commands of a block print; code prints by itself."""
    if kind == "python":
        exec(content, scope)  # noqa: S102 - it is our own page
        return ""
    said = ""
    for command in re.findall(r"^\$ figureground (.*)$", content.replace("\\\n", ""), re.MULTILINE):
        done = CliRunner().invoke(app, shlex.split(command))
        assert done.exit_code == 0, f"{command}\n{done.output}"
        said += done.output
    return said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs_in_order_and_comes_to_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    said = "".join(run_block(*block, scope) for block in blocks(page))
    said += capsys.readouterr().out
    quoted = re.findall(r"^> (.*)$", page.read_text("utf-8"), re.MULTILINE)
    assert quoted
    for sentence in quoted:  # numbers may differ a little on another machine, the words may not
        words = re.escape(re.sub(r"[\d.,−–-]*\d", "#", sentence)).replace(r"\#", r"[\d.,−–-]*\d")
        assert re.search(words, said), f"{sentence}\n{said}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_tutorial_shows_a_small_picture_and_says_what_to_conclude(page: Path):
    text = page.read_text("utf-8")
    pictures = [FOLDER / name for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)]
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 60_000
        with Image.open(picture) as opened:
            assert opened.width >= 200
    assert "\n## What to conclude\n" in text
    assert "tutorial" in text  # for the search of the site
