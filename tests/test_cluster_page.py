"""The page on clusters keeps its promises: its commands run, its messages are ours, its cluster file is Ray's."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

_ROOT = Path(__file__).parents[1]
_PAGE = (_ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
_COMMANDS = re.findall(r"^\$ (.*)$", _PAGE, re.MULTILINE)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder as the page's reader has it."""
    (tmp_path / "photos").mkdir()
    numbers = torch.Generator().manual_seed(0)
    for at in range(5):
        pixels = torch.randint(0, 256, (40, 60, 3), generator=numbers).to(torch.uint8)
        Image.fromarray(pixels.numpy()).save(tmp_path / "photos" / f"{at}.png")
    return tmp_path


@pytest.mark.slow
def test_commands_run_as_they_are_written(there: Path, storage: Any):
    pytest.importorskip("ray")
    storage.put(there / "photos", "s3://photos/set")
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    named = os.environ | {"PATH": programs, "HOST": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    for command in _COMMANDS:
        # two machines are two processes here
        copies = 2 if "--nnodes=2" in command else 1
        running = [
            subprocess.Popen(  # noqa: S602 - our own page
                command,
                shell=True,
                cwd=there,
                env=named,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(copies)
        ]
        told = [one.communicate(timeout=300)[0] for one in running]
        assert [one.returncode for one in running] == [0] * copies, (command, told)
    tables = [
        (there / "out" / one / "scores.csv").read_bytes() for one in ("one", "workers", "cluster")
    ]
    assert tables[0] == tables[1] == tables[2]
    assert (there / "runs" / "machines" / "record.json").exists()
    held = storage.held()
    ranked = held["ranked/scores.csv"].replace(b"s3://photos/set", b"photos")
    assert ranked == tables[0]
    assert {"ranked/report.html", "faithful/report.html", "faithful/record.json"} < set(held)
    assert (there / "out" / "from-storage" / "maps.parquet").exists()


@pytest.mark.parametrize(
    ("place", "files"),
    [
        (0, ["engines/on_ray.py"]),
        (1, ["base/storage.py", "base/mirror.py", "data/finding.py"]),
    ],
)
def test_its_messages_are_those_that_are_told(place: int, files: list[str]):
    package = _ROOT / "src" / "figureground"
    source = "".join((package / one).read_text(encoding="utf-8") for one in files)
    words = re.sub(r'"\s*\n\s*f?"', "", source)
    words = re.sub(r"\{verb\}", "list", words) + re.sub(r"\{verb\}", "write", words)
    table = re.findall(r"\| if \| you are told \|\n(.*?)\n\n", _PAGE, re.DOTALL)[place]
    told = [one for one in re.findall(r"\| `(.*?)`", table) if one != "--out"]
    assert len(told) == 5
    for message in told:
        for piece in re.split(r"…|s3://|\d+(?: minutes)?", message):
            assert piece.strip(" :;()") in words, piece


def test_its_cluster_file_is_valid():
    pytest.importorskip("ray")
    yaml, ours = pytest.importorskip("yaml"), import_module("ray.autoscaler._private.util")
    (text,) = re.findall(r"```yaml\n(.*?)```", _PAGE, re.DOTALL)
    ours.validate_config(ours.prepare_config(yaml.safe_load(text)))
