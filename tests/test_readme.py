"""The README keeps its promises: every block of it is run."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from figureground.cli.main import app

_README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
_PYTHON = re.findall(r"```python\n(.*?)```", _README, re.DOTALL)
_CONSOLE = [
    commands
    for block in re.findall(r"```console\n(.*?)```", _README, re.DOTALL)
    if (commands := re.findall(r"^\$ (figureground .*?)(?:\s+#.*)?$", block, re.MULTILINE))
]
_FIRST, _PIECES, _EXPLAIN = _PYTHON
_FACTORY = """
from torch import nn


def build():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
"""


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A folder as the README's reader has it."""
    (tmp_path / "photos").mkdir()
    for name in ("cat.jpg", "dog.png"):
        pixels = torch.randint(
            0, 256, (60, 80, 3), generator=torch.Generator().manual_seed(len(name))
        )
        Image.fromarray(pixels.to(torch.uint8).numpy()).save(tmp_path / "photos" / name)
    (tmp_path / "my_net.py").write_text(_FACTORY)
    (tmp_path / "names.txt").write_text("one\ntwo\nthree\n")
    scope: dict[str, object] = {}
    exec(_FACTORY, scope)  # noqa: S102 - the text stands above
    save_file(scope["build"]().state_dict(), tmp_path / "best.safetensors")  # type: ignore[operator]
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_first_lines_run(there):
    named = 'load_classifier("timm:resnet50"'
    assert named in _FIRST
    exec(_FIRST.replace(named, f"{named}, random=True"), {})  # noqa: S102 - it is our own README
    assert (there / "out" / "cat" / "record.json").exists()


def test_library_block_runs_and_prints_what_its_comments_say(there, capsys):
    exec(_EXPLAIN, {})  # noqa: S102 - it is our own README
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] in _EXPLAIN  # the layer and why, as the comment quotes it
    assert printed[1] == "torch.Size([2, 2, 4, 3])"
    assert printed[2] == "torch.Size([2, 1, 4, 3])"
    assert (there / "out" / "record.json").exists()


def test_training_pieces_run(capsys):
    exec(_PIECES, {})  # noqa: S102 - it is our own README
    assert capsys.readouterr().out.splitlines() == ["0", "torch.Size([2])"]


@pytest.mark.parametrize("commands", _CONSOLE, ids=lambda commands: commands[0].split()[1])
def test_commands_of_a_block_run_one_after_the_other(commands, there):
    for command in commands:
        words = shlex.split(command)[1:]
        fetched = any(word.startswith(("timm:", "torchvision:")) for word in words)
        if fetched and "ls" not in words and "--random" not in words:
            # trained weights cannot be fetched here; everything else is as written
            words.append("--random")
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, f"{command}\n{result.output}"


def test_blocks_were_found():
    assert len(_PYTHON) == 3
    assert [len(commands) for commands in _CONSOLE] == [6, 4, 3, 6]
