"""The page of a diagnosis: the answer, images that show it, numbers, what to do; from ``record.json`` alone."""

__all__ = ["write_diagnosis_report"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from figureground.base.record import write_atomically
from figureground.reports.entries import data_uri
from figureground.reports.figures import interval_chart_svg, svg_data_uri
from figureground.reports.pages import asset, page_template, record_of_kind, write_tables
from figureground.reports.tables import Table, checked_table

_SCHEMA = 1
_SQUARE = (
    (True, "backgrounds tell the class", ((True, "shortcut"), (False, "latent"))),
    (False, "backgrounds do not", ((True, "leak, or bad boxes"), (False, "clean"))),
)


def write_diagnosis_report(folder: Path) -> Path:
    """Write ``report.html``, ``tables.md`` and ``tables/*.csv`` beside the record of a diagnosis.

    The page holds its styles and pictures and asks nothing from the network; it has no script.

    Args:
        folder: Holds ``record.json`` (``kind`` diagnosis, ``schema`` 1).

    Returns:
        Path of the page.

    Raises:
        DataError: The record is missing, is not JSON, is of another kind or schema, or has a malformed table; or the
            page cannot be written.
    """
    record = record_of_kind(folder, "diagnosis", _SCHEMA)
    tables = [checked_table(table) for table in record.get("tables") or []]
    write_tables(folder, tables)
    page = page_template("diagnosis.html.j2").render(**_page(record, tables))
    return write_atomically(folder / "report.html", page.encode("utf-8", errors="replace"))


def _page(record: Mapping[str, Any], tables: list[Table]) -> dict[str, Any]:
    """What the template asks for."""
    names = ("model", "options", "provenance", "verdict", "word", "data", "cue", "recipe")
    lists = ("what_if", "recommendation", "commands", "notes", "left_out")
    return {
        **{name: record.get(name) or "" for name in names},
        **{name: record.get(name) or [] for name in lists},
        "screened": not record.get("numbers"),
        "images": record.get("images"),
        "seconds": record.get("seconds"),
        "problems": record.get("problems") or {},
        "strips": [_strip(one) for one in record.get("strips") or []],
        "grids": [_grid(one) for one in record.get("grids") or []],
        "cell_picture": data_uri(record.get("cell_picture")),
        "kinds": [_kind(one) for one in record.get("kinds") or []],
        "parts": [_grid(one) for one in record.get("parts") or []],
        "offer": record.get("offer") or {},
        "square": _SQUARE,
        "chart": _chart(record.get("classes") or []),
        "tables": tables,
        "style": asset("report.css") + asset("answer.css"),
    }


def _strip(strip: Mapping[str, Any]) -> dict[str, Any]:
    """An image on several backgrounds; what is no data address is left out."""
    cells = [
        {**cell, "picture": data_uri(cell.get("picture"))} for cell in strip.get("cells") or []
    ]
    return {**strip, "cells": cells}


def _grid(grid: Mapping[str, Any]) -> dict[str, Any]:
    return {**grid, "pictures": [data_uri(one) for one in grid.get("pictures") or []]}


def _kind(kind: Mapping[str, Any]) -> dict[str, Any]:
    """Both kinds of backgrounds of a class."""
    return {**kind, "kinds": [_grid(one) for one in kind.get("kinds") or []]}


def _chart(classes: list[Mapping[str, Any]]) -> str:
    """Dots and intervals, as a data address; empty without classes."""
    rows = [
        (
            str(one["name"]),
            float(one["value"]),
            float(one["low"]),
            float(one["high"]),
            bool(one["found"]),
        )
        for one in classes
    ]
    title = "How much the backgrounds of a class draw others to it"
    label = "background pull, in probability; 95 % intervals"
    return svg_data_uri(interval_chart_svg(rows, title=title, label=label)) if rows else ""
