"""What changes where there are very many images: pictures in files of their own, and a table of all maps."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from figureground.base.errors import DataError
from figureground.models import Classifier
from figureground.reports import write_explain_report
from figureground.studies.explain import painter
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions

Write = Callable[..., list[Path]]
OPTIONS = ExplainOptions(methods=("grad-cam", "cam"), classes="top2", batch_size=2, thumbnail=200)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "entries.jsonl").read_text().splitlines()]


def test_the_page_of_very_many_images_is_that_of_few_and_their_lines_are_short(
    classifier: Classifier, write_images: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    paths, pages = write_images(5), []
    for name, most in (("few", 10_000), ("many", 3)):
        monkeypatch.setattr(painter, "_VERY_MANY", most)
        explain_images(classifier, paths, out=tmp_path / name, options=OPTIONS)
        text = write_explain_report(tmp_path / name).read_text()
        for folder in {
            path.name for path in (tmp_path / name / "images").iterdir() if path.is_dir()
        }:
            text = text.replace(f"images/{folder}/", "images/")
        pages.append(
            [line for line in text.splitlines() if "thumb" in line or "data:image" in line]
        )
    assert len(pages[0]) > 10
    assert pages[0] == pages[1]
    few, many = lines(tmp_path / "few"), lines(tmp_path / "many")
    assert max(len(json.dumps(one)) for one in many) < 3000
    assert "thumbnail" not in json.dumps(many)
    for one, other in zip(few, many, strict=True):
        assert other["page"] in other["files"]
        held = json.loads((tmp_path / "many" / other["page"]).read_text())
        assert held["thumbnail"] == one["thumbnail"]
        assert [
            {**a, **b} | {"png": 0} for a, b in zip(other["panels"], held["panels"], strict=True)
        ] == [panel | {"png": 0} for panel in one["panels"]]
    (tmp_path / "many" / many[0]["page"]).write_text('{"panels": []}')
    with pytest.raises(DataError, match=r"page\.json is damaged"):
        write_explain_report(tmp_path / "many")
    again = explain_images(classifier, paths, out=tmp_path / "many", options=OPTIONS)
    assert again.skipped == 3  # the two of that batch are done again


def test_the_table_has_a_row_for_each_map_with_the_numbers_of_the_lines(
    classifier: Classifier, write_images: Write, out: Path
):
    parquet = pytest.importorskip("pyarrow.parquet")
    explain_images(classifier, write_images(5), out=out, options=replace(OPTIONS, box_fraction=0.5))
    rows = parquet.read_table(out / "maps.parquet").to_pylist()
    expected = [(entry, panel) for entry in lines(out) for panel in entry["panels"]]
    assert len(rows) == len(expected) == 20
    for row, (entry, panel) in zip(rows, expected, strict=True):
        assert (row["image"], row["npz"], row["png"]) == (
            entry["image"],
            entry["npz"],
            panel["png"],
        )
        assert (row["method"], row["position"]) == (panel["method"], panel["class"])
        own = entry["classes"][panel["class"]]
        assert (row["class"], row["score"]) == (own["name"], own["score"])
        first = entry["predictions"][0]
        assert (row["first_answer"], row["first_probability"]) == (first["name"], first["score"])
        corners = [row[name] for name in ("x0", "y0", "x1", "y1")]
        assert corners == (panel["boxes"][0] if panel["boxes"] else [None] * 4)
    assert any(row["x0"] is not None for row in rows)


def test_an_old_table_goes_where_no_new_one_can_be_written(
    classifier: Classifier, write_images: Write, out: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("pyarrow")
    explain_images(classifier, write_images(2), out=out, options=OPTIONS)
    assert (out / "maps.parquet").is_file()
    monkeypatch.setattr("figureground.studies.explain.table.find_spec", lambda _: None)
    explain_images(classifier, write_images(3), out=out, options=OPTIONS)
    assert not (out / "maps.parquet").exists()
