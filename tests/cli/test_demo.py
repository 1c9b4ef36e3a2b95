"""``figureground demo``: the whole job on data that comes with the package."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from figureground.base.errors import OptionError
from figureground.base.progress import no_progress
from figureground.data.labeled import LabeledImages
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.studies.answers import Answer
from figureground.studies.demo import demo
from figureground.studies.demo.story import Story
from figureground.training.trained import load_trained

Run = Callable[..., Result]


@pytest.fixture
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer images of everything."""

    def few(name: str, *, part: str, options: LoadOptions) -> LabeledImages:
        return load_dataset(name, part=part, options=replace(options, count=60))

    monkeypatch.setattr(demo, "load_dataset", few)
    monkeypatch.setattr(demo, "_SHOWN", 6)
    monkeypatch.setattr(demo, "_MEASURED", 20)
    figure = {
        "title": "1. The training images",
        "caption": "",
        "png": "data:image/png;base64,iVBORw0KGgo=",
    }
    told = Story(
        Answer(("it does not", "it rests on the background")),
        {"title": "Found out", "caption": "", "columns": ["measure"], "rows": [["verdict"]]},
        (figure,),
        ("rests on", "does not"),
    )
    monkeypatch.setattr(demo, "tell_story", lambda *_, **__: told)
    for page in ("write_diagnosis_report", "comparison_report.write_comparison_report"):
        monkeypatch.setattr(f"figureground.reports.{page}", lambda _: None)


def test_both_networks_are_trained_shown_and_measured(type_in: Run, smaller: None, tmp_path: Path):
    done = type_in("demo", "--samples", "1000", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    begin = done.stderr.splitlines()[0]
    for word in ("four small networks", str(tmp_path), "minutes", "--samples"):
        assert word in begin
    maps = json.loads((tmp_path / "record.json").read_text())
    assert maps["images"] == 7  # one of them clutter without a digit
    record = json.loads((tmp_path / "demo.json").read_text())
    story, arms, overlap = record["tables"]
    assert story["title"] == "Found out"
    assert done.stdout.splitlines()[-2:] == ["it does not", "it rests on the background"]
    assert arms["columns"] == ["measure", "plain", "background class"]
    for name, outputs in (("plain", 10), ("background-class", 11)):
        assert load_trained(tmp_path / "runs" / name, "last").num_classes == outputs
    measured = [row[0] for row in overlap["rows"]]
    shown = [
        *("cam", "grad-cam", "grad-cam++", "hires-cam", "layer-cam", "ablation-cam"),
        *("eigen-cam", "cnn-fixations", "dff"),
    ]
    assert measured[:-4] == [name for name in shown if name != "dff"]
    assert measured[-4:] == [
        "centre-box", "whole-image", "centre-gaussian", "brightness",
    ]  # fmt: skip
    found = {row[0]: float(row[1].removesuffix(" %")) for row in overlap["rows"] if row[1]}
    assert found["brightness"] > 70  # the digit is the brightest thing
    assert found["whole-image"] <= found["centre-box"] < 50
    for row in overlap["rows"][-4:]:  # they know no network
        assert row[1:3] == row[3:5]
    for word in ("background class", "Localisation", "eigen-cam", "report.html"):
        assert word in done.stdout
    assert "Mixed Precision" not in done.output
    first = json.loads((tmp_path / "entries.jsonl").read_text().splitlines()[0])
    assert {panel["method"] for panel in first["panels"]} == set(shown)
    assert first["truth"]["label"] == Path(first["image"]).stem.rpartition("-")[2]
    page_is_told_in_order(tmp_path, record)


def page_is_told_in_order(folder: Path, record: dict[str, Any]) -> None:
    """The answer, the steps, the numbers, and links to the other pages."""
    page = (folder / "report.html").read_text()
    assert record["figures"][1]["png"] in page
    assert ">it does not</h1>" in page
    assert (
        page.index("it rests on the background")
        < page.index("1. The training images")
        < page.index("Found out")
    )
    assert "what the two networks look at" in page
    assert re.findall(r'href="([^#"]+)"', page) == [
        *(f"{name}/report.html" for name in ("diagnosis", "treatment", "comparison")),
        "maps.html",
    ]
    assert (folder / "maps.html").exists()


def test_a_trained_network_is_taken_as_it_is_and_another_seed_is_refused(tmp_path: Path):
    def asked(seed: int) -> None:
        recipe = demo._recipe("plain", seed=seed, samples=128)
        demo._trained("plain", tmp_path / "run", recipe=recipe, progress=no_progress)

    asked(0)
    weights = tmp_path / "run" / "resume.pt"
    before = weights.stat().st_mtime_ns
    asked(0)
    assert weights.stat().st_mtime_ns == before
    with pytest.raises(OptionError, match="another recipe"):
        asked(3)


def test_too_few_samples_are_refused(type_in: Run):
    assert type_in("demo", "--samples", "10").exit_code == 2


@pytest.mark.slow
def test_a_trained_network_finds_the_digits(type_in: Run, tmp_path: Path):
    done = type_in("demo", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    _, arms, overlap = json.loads((tmp_path / "demo.json").read_text())["tables"]
    numbers = {row[0]: row[1:] for row in arms["rows"]}
    for name in ("accuracy, validation digits", "accuracy, unseen digits"):
        assert all(float(value.rstrip("%")) > 85 for value in numbers[name])
    found = {row[0]: float(row[1].removesuffix(" %")) for row in overlap["rows"] if row[1]}
    assert found["grad-cam"] > found["centre-box"]
