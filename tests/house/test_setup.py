"""The set-up: versions are pinned, targets are listed, shapes are checked while tests run."""

import re
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from figureground.base.seeds import generator


def unpinned(project: dict, constraints: str) -> list[str]:
    """A complaint for each direct requirement whose pin is absent or out of its range."""
    pins = {}
    for line in constraints.splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            pins[canonicalize_name(pin.name)] = str(pin.specifier).removeprefix("==")
    groups = [
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    asked = project["project"]["dependencies"] + [one for group in groups for one in group]
    wanted = [Requirement(one) for one in asked if isinstance(one, str)]
    return [
        f"{one}: pinned to {pins.get(canonicalize_name(one.name))}"
        for one in wanted
        if not one.specifier.contains(pins.get(canonicalize_name(one.name), "0"), prereleases=True)
        or canonicalize_name(one.name) not in pins
    ]


def test_every_requirement_is_pinned_within_its_range(root: Path):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    bad = unpinned(project, (root / "constraints.txt").read_text(encoding="utf-8"))
    assert not bad, "renew them with: make constraints\n" + "\n".join(bad)


def test_a_missing_and_an_old_pin_are_reported():
    project = {
        "project": {"dependencies": ["a>=2"], "optional-dependencies": {"x": ["B_c"]}},
        "dependency-groups": {"g": [{"include-group": "h"}, "d[e]>=1"]},
    }
    assert unpinned(project, "# made\na==2.1\nb-c==1 ; sys_platform == 'linux'\nd==1\n") == []
    assert len(unpinned(project, "a==1.9\nd==1\n")) == 2


def test_every_target_is_explained_by_make_help(root: Path):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    said = subprocess.run(
        ["make", "help"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    explained = set(re.findall(r"^  make (\w+) ", said, re.MULTILINE))
    assert set(phony[1].split()) - {"rebuild"} == explained


def test_a_python_that_is_too_old_is_refused_by_name(root: Path, tmp_path: Path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18" || exit 1\n')
    old.chmod(0o755)
    command = ["sh", str(root / ".ci" / "make-venv"), str(tmp_path / "venv"), str(old)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{old} is: Python 3.9.18" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_annotations_are_checked_while_tests_run():
    with pytest.raises(Exception, match="Type-check error"):
        generator("seven")  # type: ignore[arg-type]


def test_tests_are_offline():
    with pytest.raises(socket.gaierror, match=r"example\.org was asked for"):
        socket.create_connection(("example.org", 80), timeout=1)
