"""One page for a finished comparison of trainings, and its tables as Markdown and CSV, from ``record.json`` alone."""

__all__ = ["write_comparison_report"]

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from figureground.base.errors import DataError
from figureground.base.record import read_json, write_atomically
from figureground.reports.entries import data_uri
from figureground.reports.figures import line_chart_svg, svg_data_uri
from figureground.reports.tables import Table, as_csv, as_markdown, cell_text, checked_table

_SCHEMA = 1
_HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def write_comparison_report(folder: Path) -> Path:
    """Write ``report.html``, ``tables.md`` and ``tables/*.csv`` beside the record of a comparison.

    The page holds its styles and pictures and asks nothing from the network; it has no script.

    Args:
        folder: Holds ``record.json`` (``kind`` comparison, ``schema`` 1).

    Returns:
        Path of the page.

    Raises:
        DataError: The record is missing, is not JSON, is of another kind or schema, or has a malformed table; or the
            page cannot be written.
    """
    record = read_json(folder / "record.json")
    known = isinstance(record, Mapping) and record.get("kind") == "comparison"
    if not known or record.get("schema") != _SCHEMA:
        raise DataError(
            f"{folder / 'record.json'} is no comparison of schema {_SCHEMA}, which this version reads"
        )
    tables = [checked_table(table) for table in record.get("tables") or []]
    _write_tables(folder, tables)
    page = _environment().get_template("comparison.html.j2").render(**_page(record, tables))
    return write_atomically(folder / "report.html", page.encode("utf-8", errors="replace"))


def _write_tables(folder: Path, tables: list[Table]) -> None:
    """All tables in one Markdown file, and each as CSV, numbered in order."""
    text = "\n".join(as_markdown(table) for table in tables)
    write_atomically(folder / "tables.md", text.encode())
    for number, table in enumerate(tables, start=1):
        name = re.sub(r"[^a-z0-9]+", "-", table.title.lower()).strip("-")[:60] or "table"
        write_atomically(folder / "tables" / f"{number:02d}-{name}.csv", as_csv(table).encode())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("figureground.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell_text
    return environment


def _page(record: Mapping[str, Any], tables: list[Table]) -> dict[str, Any]:
    """What the template asks for."""
    names = ("arms", "methods", "options", "provenance")
    rows = [_row(row) for row in record.get("pictures") or []]
    return {
        **{name: record.get(name) or {} for name in names},
        "title": " or ".join(record.get("arms") or ["Comparison"]) + "?",
        "data": record.get("data") or "",
        "images": record.get("images"),
        "seconds": record.get("seconds"),
        "notes": record.get("notes") or [],
        "tables": tables,
        "charts": [_chart(curves) for curves in record.get("curves") or []],
        "titles": [cell["title"] for cell in rows[0]["cells"]] if rows else [],
        "rows": rows,
        "concepts": {arm: _legend(pairs) for arm, pairs in (record.get("concepts") or {}).items()},
        "style": (files("figureground.reports") / "templates" / "report.css").read_text(encoding="utf-8"),
    }  # fmt: skip


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


def _chart(curves: Mapping[str, Any]) -> dict[str, str]:
    """A chart as a picture; words where it holds nothing to draw."""
    title, caption = str(curves.get("title") or ""), str(curves.get("caption") or "")
    series = {
        str(name): [(point[0], point[1]) for point in points]
        for name, points in (curves.get("series") or {}).items()
    }
    labels = {key: str(curves.get(key) or "") for key in ("x_label", "y_label")}
    try:
        svg = line_chart_svg(series, title=title, **labels)
    except DataError as error:
        return {"title": title, "caption": f"{caption} ({error})", "picture": ""}
    return {"title": title, "caption": caption, "picture": svg_data_uri(svg)}
