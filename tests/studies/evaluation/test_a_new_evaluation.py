"""An evaluation is one file and one line of the registry: it then has a command, options, resumption and a page."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from figureground.cli.main import app
from figureground.studies.evaluation import EVALUATIONS

FILE = '''"""How high are the maps?"""

from dataclasses import dataclass
from typing import ClassVar

from figureground.base.options import option
from figureground.studies.evaluation.engine import MapEvaluation
from figureground.studies.evaluation.tables import Measure


@dataclass(frozen=True, kw_only=True)
class Peak(MapEvaluation):
    """The largest value of every map."""

    kind: ClassVar[str] = "peak"
    question: ClassVar[str] = "How high are the maps?"
    measures: ClassVar[tuple[Measure, ...]] = (Measure("peak", "peak"),)

    factor: float = option(1.0, "Multiplies the peak.", least=0)

    def measure(self, batch, network):
        maps = network(batch).maps
        return {f"{row}/peak": self.factor * one.amax((1, 2)) for row, one in maps.items()}, ()
'''


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "peak_of_maps.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(EVALUATIONS, "peak", "peak_of_maps.Peak")


def ran(*words: str) -> str:
    found = CliRunner().invoke(app, ["evaluate", *words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.mark.usefixtures("registered")
def test_one_file_and_one_line_are_a_command_with_options_resumption_and_a_page(tmp_path: Path):
    assert "How high are the maps?" in ran("--help")
    help_text = ran("peak", "--help")
    for option in ("--factor", "Multiplies the peak.", "--methods", "--batch-size", "--limit"):
        assert option in help_text
    out = tmp_path / "out"
    command = (
        "peak", "clutter", "--model", "figureground:lenet-gap", "--random", "--methods", "cam,eigen-cam",
        "--factor", "2", "--count", "6", "--batch-size", "3", "--out", str(out),
    )  # fmt: skip
    ran(*command)
    record = json.loads((out / "record.json").read_text())
    assert (record["kind"], record["images"], record["options"]["factor"]) == ("peak", 6, "2")
    assert [row[0] for row in record["tables"][0]["rows"]] == ["cam", "eigen-cam"]
    page = (out / "report.html").read_text()
    assert "How high are the maps?" in page
    assert "eigen-cam" in page
    kept = (out / "parts" / "00000.npz").stat().st_mtime_ns
    (out / "parts" / "00001.npz").unlink()
    ran(*command)
    assert (out / "parts" / "00000.npz").stat().st_mtime_ns == kept
    assert json.loads((out / "record.json").read_text())["tables"] == record["tables"]
