"""One page for a finished comparison of trainings, and its tables as Markdown and CSV, from ``record.json`` alone."""

__all__ = ["write_comparison_report"]

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from figureground.base.record import write_atomically
from figureground.reports.answers import answer_of
from figureground.reports.entries import data_uri
from figureground.reports.figures import interval_chart_svg, svg_data_uri
from figureground.reports.pages import asset, chart_of, page_template, record_of_kind, write_tables
from figureground.reports.plain_words import glossary_of, option_words
from figureground.reports.tables import Table, checked_table

_SCHEMA = 2
_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def write_comparison_report(folder: Path) -> Path:
    """Write ``report.html``, ``tables.md`` and ``tables/*.csv`` beside the record of a comparison.

    The page holds its styles and pictures and asks nothing from the network; it has no script.

    Args:
        folder: Holds ``record.json`` (``kind`` comparison, ``schema`` 2).

    Returns:
        Path of the page.

    Raises:
        DataError: The record is missing, is not JSON, is of another kind or schema, or has a malformed table; or the
            page cannot be written.
    """
    record = record_of_kind(folder, "comparison", _SCHEMA)
    tables = [checked_table(table) for table in record.get("tables") or []]
    write_tables(folder, tables)
    page = page_template("comparison.html.j2").render(**_page(record, tables))
    return write_atomically(folder / "report.html", page.encode("utf-8", errors="replace"))


def _page(record: Mapping[str, Any], tables: list[Table]) -> dict[str, Any]:
    """What the template asks for."""
    rows = [_row(row) for row in record.get("examples") or []]
    return {
        **{name: record.get(name) or {} for name in ("arms", "provenance")},
        "answer": answer_of(record, " or ".join(record.get("arms") or ["Comparison"]) + "?"),
        "about": _about(record),
        "images": record.get("images"),
        "notes": record.get("notes") or [],
        "tables": tables,
        "background": _background(record.get("background")),
        "charts": [chart_of(curves) for curves in record.get("charts") or []],
        "titles": [cell["title"] for cell in rows[0]["cells"]] if rows else [],
        "rows": rows,
        "concepts": {arm: _legend(pairs) for arm, pairs in (record.get("concepts") or {}).items()},
        "glossary": glossary_of(tables),
        "style": asset("report.css") + asset("answer.css"),
    }


def _about(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """How it was made: data, runs, methods and everything that changes the numbers."""
    options = record.get("options") or {}
    return [
        ("data", record.get("data")),
        *((arm, ", ".join(runs)) for arm, runs in (record.get("arms") or {}).items()),
        *(record.get("methods") or {}).items(),
        *((option_words(name), words) for name, words in options.items() if name != "methods"),
        ("seconds", record.get("seconds")),
    ]


def _background(section: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """How much the arms rest on the background; None where the record does not tell."""
    if not section:
        return None
    rows = [
        (
            str(one["name"]),
            float(one["value"]),
            float(one["low"]),
            float(one["high"]),
            bool(one["marked"]),
        )
        for one in section.get("gaps") or []
    ]
    title = "Accuracy lost on other classes' backgrounds, by mask"
    label = "gap, a share of accuracy; 95 % intervals; in colour: arms other than the first"
    return {
        "verdicts": section.get("verdicts") or [],
        "reference": section.get("reference") or "",
        "chart": svg_data_uri(interval_chart_svg(rows, title=title, label=label)) if rows else "",
        "strips": [_strip(one) for one in section.get("strips") or []],
    }


def _strip(strip: Mapping[str, Any]) -> dict[str, Any]:
    """An image on another background: for each arm its pictures with that arm's answers."""
    shown = [
        (str(one.get("title") or ""), data_uri(one.get("picture")))
        for one in strip.get("pictures") or []
    ]
    arms = {
        arm: [
            {**answer, "title": title, "picture": picture}
            for answer, (title, picture) in zip(answers, shown, strict=False)
        ]
        for arm, answers in (strip.get("answers") or {}).items()
    }
    return {**strip, "arms": arms}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of pictures; what is no data address is left out."""
    cells = [
        {"title": str(cell.get("title") or ""), "picture": data_uri(cell.get("picture"))}
        for cell in row.get("cells") or []
    ]
    return {**row, "cells": cells, "predicted": row.get("predicted") or {}}


def _legend(pairs: list[list[Any]]) -> list[tuple[str, str]]:
    """Colours and words; a colour that is none becomes grey."""
    return [
        (str(colour) if _HEX_COLOUR.fullmatch(str(colour)) else "#808080", str(words))
        for colour, words in pairs
    ]
