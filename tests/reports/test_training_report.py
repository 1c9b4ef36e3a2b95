"""The page of a training run, from its folder alone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from figureground.base.errors import DataError
from figureground.reports.training_report import write_training_report

DOT = "data:image/png;base64,iVBORw0KGgo="
HISTORY = """step,epoch,split,name,value
1,0,train,loss,2.5
2,0,train,loss,1.5
2,0,val,loss,1.75
2,0,val,accuracy,0.5
"""


def make_run(folder: Path, **changes: Any) -> None:
    record = {
        "kind": "train",
        "schema": 2,
        "data": {"train": 300, "val": 40, "notes": ["one <note>"]},
        "parameters": 12345,
        "steps": 2,
        "images": 64,
        "seconds": 2.0,
        "device": "cpu",
        "answer": {"sentences": ["The network <classifies>.", "The best weights reach 50.0 %."]},
        "tables": [{"title": "Classes", "columns": ["class", "images"], "rows": [["<i>", 3]]}],
        "worst": [
            {"label": "a<b", "predicted": "c", "probability": 0.015, "picture": DOT},
            {"label": "d", "predicted": "e", "probability": 0.02, "picture": "https://a.org/b.png"},
        ],
        "provenance": {"command": "figureground train tiny", "seeds": [3]},
    } | changes
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "history.csv").write_text(HISTORY)
    (folder / "recipe.yaml").write_text("name: <tiny>\n")


def test_the_page_has_answer_curves_worst_images_cost_and_recipe(tmp_path: Path):
    make_run(tmp_path)
    page = write_training_report(tmp_path).read_text().replace("\xa0", " ").replace("&nbsp;", " ")
    assert re.findall(r"<h1[^>]*>(.*?)</h1>", page) == ["The network &lt;classifies&gt;."]
    assert "The best weights reach 50.0 %." in page.partition("<main>")[0]
    assert re.findall(r'alt="([^"]+) over the steps"', page) == ["accuracy, %", "loss"]
    assert "a&lt;b, 1.5 %" in page
    assert page.count(DOT) == 1
    assert "name: &lt;tiny&gt;" in page
    for words in ("12,345", "32 images a second", "one &lt;note&gt;", "random seed 3"):
        assert words in page
    assert page.index("worst") < page.index("How it was made")
    assert page.count("<script") == 1  # which sorts tables
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_a_run_that_is_not_finished_or_was_changed_has_no_page(tmp_path: Path):
    with pytest.raises(DataError, match="cannot read"):
        write_training_report(tmp_path)
    make_run(tmp_path)
    (tmp_path / "history.csv").write_text("step,epoch,split,name,value\n1,0,val,loss,much\n")
    with pytest.raises(DataError, match=r"cannot read .*history\.csv"):
        write_training_report(tmp_path)
