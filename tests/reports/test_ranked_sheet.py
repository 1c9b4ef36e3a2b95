"""The contact sheet of a ranking, from its files alone."""

from pathlib import Path
from typing import Any

import pytest

from figureground.base.errors import DataError
from figureground.base.record import write_json
from figureground.reports import write_ranked_sheet

PICTURE = "data:image/png;base64,iVBORw=="
RECORD: dict[str, Any] = {
    "kind": "rank", "schema": 1, "classes": ["<lynx>"], "score": "logit", "images": 1200, "skipped": 0,
    "model": {"name": "toy", "preprocessing": "none"}, "provenance": {"command": "x"},
    "failed": [{"path": f"bad{n}.png", "reason": "empty"} for n in range(201)],
    "top": [
        {"path": "a.png", "score": 2.5, "class_name": "<lynx>", "probability": 0.75},
        {"path": "b.png", "score": 1.5, "class_name": "<lynx>", "probability": 0.5},
    ],
}  # fmt: skip


def test_images_without_a_readable_entry_are_shown_without_a_map(tmp_path: Path):
    write_json(tmp_path / "record.json", RECORD)
    entry = {
        "image": "a.png",
        "thumbnail": PICTURE,
        "panels": [
            {"label": "other", "thumbnail": None, "png": "x.png"},
            {"label": "<lynx>", "thumbnail": PICTURE, "png": "images/a.png", "problem": "blank"},
        ],
    }
    write_json(tmp_path / "entry.json", entry)
    line = (tmp_path / "entry.json").read_text().replace("\n", "")
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "entries.jsonl").write_text(f"{line}\nhalf a li\n[1]\n")
    page = write_ranked_sheet(tmp_path).read_text().replace("\xa0", " ")
    assert page.count(PICTURE) == 2
    assert page.count("no map") == 1
    assert 'href="top/images/a.png"' in page
    assert "blank" in page
    assert "&lt;lynx&gt;" in page
    assert "<lynx>" not in page
    assert "1,200" in page
    assert "and 1 more" in page
    assert "score 2.500 · 75.0 %" in page


def test_a_sheet_without_explained_images_is_written_too(tmp_path: Path):
    write_json(tmp_path / "record.json", RECORD)
    assert write_ranked_sheet(tmp_path).read_text().count("no map") == 2


def test_images_are_named_below_the_folder_that_was_given(tmp_path: Path):
    top = [{**one, "path": f"/pictures/me/photos/cats/{one['path']}"} for one in RECORD["top"]]
    failed = [{"path": "/pictures/me/photos/dogs/bad.png", "reason": "empty"}]
    model = {
        "name": "toy",
        "input": "32 × 32 pixels",
        "preprocessing": "Preprocessing(size=(32, 32))",
    }
    write_json(tmp_path / "record.json", {**RECORD, "top": top, "failed": failed, "model": model})
    page = write_ranked_sheet(tmp_path).read_text().replace("\xa0", " ")
    assert "/pictures" not in page
    assert "cats/a.png" in page
    assert "dogs/bad.png: empty" in page
    assert "32 × 32 pixels" in page
    assert "Preprocessing" not in page


def test_another_kind_of_record_is_refused(tmp_path: Path):
    write_json(tmp_path / "record.json", {**RECORD, "kind": "explain"})
    with pytest.raises(DataError, match="explain"):
        write_ranked_sheet(tmp_path)
