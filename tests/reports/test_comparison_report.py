"""The page of a comparison, from its record alone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from figureground.base.errors import DataError
from figureground.reports.comparison_report import write_comparison_report

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def record(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "comparison",
        "schema": 2,
        "data": "test part of <digits>",
        "images": 1000,
        "arms": {"plain": ["runs/plain"], "b<g": ["runs/bg"]},
        "tables": [{"title": "Differences", "columns": ["arm", "difference"], "rows": [["b<g", 0.25]]}],
        "charts": [{"title": "Severity", "series": {"plain": [[0, 1], [1, 0.5]]}}],
        "examples": [
            {"number": 7, "label": "three", "why": "drawn", "predicted": {"plain": "three", "b<g": "five"},
             "cells": [{"title": "input", "picture": PIXEL}, {"title": "out", "picture": "https://example.org/a.png"}]},
        ],
        "concepts": {"b<g": [["#ff3333", "background 90 %"], ["red; x", "five 60 %"]]},
        "notes": ["one <note>"],
        "seconds": 1.5,
        **changes,
    }  # fmt: skip


def written(folder: Path, content: object) -> str:
    (folder / "record.json").write_text(json.dumps(content))
    return write_comparison_report(folder).read_text().replace("\xa0", " ")


def test_the_page_shows_everything_and_asks_nothing(tmp_path: Path):
    page = written(tmp_path, record())
    for words in (
        "plain or b&lt;g?",
        "test part of &lt;digits&gt;",
        "one &lt;note&gt;",
        "number 7, drawn",
        "background 90 %",
    ):
        assert words in page
    assert "b&lt;g: five ✗" in page
    assert "plain: three</small>" in page
    assert page.count(f'src="{PIXEL}"') == 1
    assert "example.org" not in page
    assert page.count("<script") == 1  # which sorts tables
    assert 'style="background: #808080"' in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_tables_are_written_beside_it(tmp_path: Path):
    written(tmp_path, record())
    assert (tmp_path / "tables" / "01-differences.csv").read_text() == "arm,difference\nb<g,0.25\n"
    assert "| b&lt;g | 0.25 |" in (tmp_path / "tables.md").read_text()


def test_a_record_without_examples_has_a_page(tmp_path: Path):
    page = written(tmp_path, record(examples=[], concepts={}, charts=[], notes=[]))
    assert "Side by side" not in page
    assert "Differences" in page


@pytest.mark.parametrize(
    "content", [{"kind": "comparison", "schema": 1}, {"kind": "uncertainty", "schema": 2}, [1]]
)
def test_other_records_are_refused(tmp_path: Path, content: object):
    with pytest.raises(DataError, match="is no comparison of schema 2"):
        written(tmp_path, content)
