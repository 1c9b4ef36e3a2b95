"""``figureground demo``: the whole job on data that comes with the package."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from figureground.data import make_clutter
from figureground.methods import METHODS
from figureground.studies import demo

Run = Callable[..., Result]


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer pictures of everything."""

    def few(*given: object, count: int, **named: object) -> object:
        return make_clutter(*given, count=min(count, 600), **named)  # type: ignore[arg-type]

    monkeypatch.setattr(demo, "make_clutter", few)
    monkeypatch.setattr(demo, "_SHOWN", 6)
    monkeypatch.setattr(demo, "_MEASURED", 20)


def test_every_method_is_shown_and_measured(type_in: Run, smaller: None, tmp_path: Path):
    done = type_in("demo", "--samples", "1000", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["images"] == 6
    accuracy, overlap = record["tables"]
    assert [row[0] for row in accuracy["rows"]] == ["validation digits", "unseen test digits"]
    measured = [row[0] for row in overlap["rows"]]
    assert measured[: len(METHODS) - 1] == [name for name in METHODS if name != "dff"]
    assert measured[len(METHODS) - 1 :] == [
        "brightest region of the picture",
        "centred box of half the area",
        "whole picture",
    ]
    found = {row[0]: float(row[1]) for row in overlap["rows"]}
    assert found["brightest region of the picture"] > 0.7  # the digit is the brightest thing
    assert found["whole picture"] < found["centred box of half the area"] < 0.5
    for word in ("Accuracy", "Localisation", "mean IoU", "eigen-cam", "report.html"):
        assert word in done.stdout
    first = json.loads((tmp_path / "entries.jsonl").read_text().splitlines()[0])
    assert {panel["method"] for panel in first["panels"]} == set(METHODS)
    assert first["truth"]["label"] == Path(first["image"]).stem.rpartition("-")[2]


def test_too_few_samples_are_refused(type_in: Run):
    assert type_in("demo", "--samples", "10").exit_code == 2


@pytest.mark.slow
def test_a_trained_network_finds_the_digits(type_in: Run, tmp_path: Path):
    done = type_in("demo", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    accuracy, overlap = json.loads((tmp_path / "record.json").read_text())["tables"]
    assert all(float(row[1].rstrip("%")) > 90 for row in accuracy["rows"])
    found = {row[0]: float(row[1]) for row in overlap["rows"]}
    assert found["grad-cam"] > found["centred box of half the area"]
