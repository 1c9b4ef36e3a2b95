"""Two runs that are really trained, compared by how much they rest on the background."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from figureground.base.record import read_json
from figureground.reports.comparison_report import write_comparison_report
from figureground.studies.comparison.compare import compare
from figureground.studies.comparison.options import CompareOptions
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.models import load_model
from figureground.studies.training.train import train
from figureground.training.recipe import changed

BARE = CompareOptions(limit=200, ood=("none",), corrupted=0, examples=4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Two short runs on digits whose colour tells the class, with and without swapped backgrounds."""
    folder = tmp_path_factory.mktemp("runs")
    content: dict[str, Any] = {
        "name": "tints",
        "epochs": 4,
        "batch_size": 50,
        "data": {"name": "planted-tints", "rho": 0.95, "count": 500},
        "model": {
            "name": "figureground:small-resnet",
            "arguments": {"width": 8},
            "preprocessing": {"size": [32, 32]},
        },
        "optimiser": {"kind": "sgd", "lr": 0.1},
    }
    for name, algorithms in (("plain", []), ("swap", [{"background-swap": {"mask": "outer"}}])):
        train(changed({**content, "algorithms": algorithms}), folder / name, accelerator="cpu")
    return {name: [folder / name] for name in ("plain", "swap")}


def test_trained_runs_are_compared_and_shown(trained: dict[str, list[Path]], tmp_path: Path):
    out = tmp_path / "with"
    record = compare(trained, out=out, options=replace(BARE, background=True))
    section = record.background
    assert section is not None
    ((told),) = section.verdicts
    assert told["arm"] == "swap"
    rows = {one["title"]: one for one in record.tables}
    masks = [row[:3] for row in rows["The gap along three masks"]["rows"]]
    assert masks[3:] == [["swap", "outer", "trained along"], ["swap", "given", ""], ["swap", "inner", ""]]  # fmt: skip
    gaps = {tuple(row[:2]): row[3] for row in rows["The gap along three masks"]["rows"]}
    assert gaps["plain", "given"] > 0.3
    # the diagnosis of the same run and images has the same gap
    alone = diagnose_images(
        load_model(trained["plain"][0]),
        out=tmp_path / "alone",
        options=DiagnoseOptions(cells=0, examples=0),
        data_options=DataOptions(limit=200),
    )
    for mask in ("outer", "given", "inner"):
        assert alone.numbers[mask]["gap"][0] == pytest.approx(gaps["plain", mask], abs=1e-4)
    assert rows["On other backgrounds"]["rows"][0][3] == pytest.approx(
        alone.numbers["given"]["v11"][0], abs=1e-4
    )
    page = write_comparison_report(out).read_text()
    assert (
        page.index(f"<b>{told['word']}</b>")
        < page.index("Gap of every arm along the three masks")
        < page.index("The same objects on the same backgrounds")
        < page.index("Accuracy and calibration")
    )
    assert len(section.strips) == 4
    assert {tuple(strip["answers"]) for strip in section.strips} == {("plain", "swap")}


def test_without_the_flag_nothing_changes(trained: dict[str, list[Path]], tmp_path: Path):
    plain = compare(trained, out=tmp_path / "without", options=BARE)
    more = compare(trained, out=tmp_path / "with", options=replace(BARE, background=True))
    assert plain.background is None
    assert more.tables[3:] == plain.tables
    kept = read_json(tmp_path / "without" / "record.json")
    assert kept["background"] is None
    assert "Does it rest less" not in write_comparison_report(tmp_path / "without").read_text()
