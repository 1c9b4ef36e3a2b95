"""The command itself: version, help, and what it waits for."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.testing import Result

from figureground import __version__

Run = Callable[..., Result]


def test_version_is_said(type_in: Run):
    done = type_in("--version")
    assert done.exit_code == 0
    assert done.stdout == f"figureground {__version__}\n"


def test_no_words_show_the_help(type_in: Run):
    done = type_in()
    for verb in ("explain", "ls", "doctor", "demo"):
        assert f" {verb} " in done.output


@pytest.mark.parametrize("verb", [(), ("explain",), ("ls",), ("doctor",), ("demo",)])
def test_help_explains_every_option(verb: tuple[str, ...], type_in: Run):
    done = type_in(*verb, "--help")
    assert done.exit_code == 0
    assert "Usage: figureground" in done.stdout


def test_an_unknown_verb_is_a_usage_error(type_in: Run):
    done = type_in("exp")
    assert done.exit_code == 2
    assert "exp" in done.stderr


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("--help", 0),
        ("--version", 0),
        *((f"{verb} --help", 0) for verb in ("explain", "rank", "compare", "train", "export", "doctor", "ls", "demo")),
        ("background build --help", 0),
        ("evaluate --help", 0),
        ("ls methods", 0),
        ("cp nothing", 1),
        ("explain a.png --method cam", 1),
        ("explain a.png --colour-map rainbow", 1),
        ("explain", 2),
        ("explain a.png --workers many", 2),
        ("doctor", 1),
        ("doctor timm:resnet50", 1),
        ("ls nothing", 1),
        ("background build --ratio 1 --out o", 1),
    ],
)  # fmt: skip
def test_help_lists_and_mistakes_do_not_wait_for_torch(words: str, status: int):
    code = (
        "import sys\n"
        "from figureground.cli import main\n"
        "try:\n    main()\n"
        f"except SystemExit as end:\n    assert end.code == {status}, end.code\n"
        "heavy = {'torch', 'timm', 'torchvision', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_bug_is_not_hidden(type_in: Run, monkeypatch: pytest.MonkeyPatch):
    def bug(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("figureground.models.list_models", bug)
    assert isinstance(type_in("ls", "models").exception, RuntimeError)
