"""The page of the demo: found out, treated, proven; from ``demo.json`` alone."""

__all__ = ["write_demo_report"]

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.record import read_json, write_atomically
from figureground.reports.answers import answer_of
from figureground.reports.entries import data_uri
from figureground.reports.pages import asset, page_template
from figureground.reports.plain_words import glossary_of
from figureground.reports.tables import checked_table

_KIND = ("demo", 1)
_PAGES = (
    ("diagnosis", "how it was found out"),
    ("treatment", "how the treated network compares"),
    ("comparison", "with and without a background class"),
)


def write_demo_report(folder: Path) -> Path:
    """Write ``report.html`` beside ``demo.json``; it links to the pages of the steps.

    The page holds its styles and pictures and asks nothing from the network; it has no script.

    Args:
        folder: Holds ``demo.json`` (``kind`` demo, ``schema`` 1).

    Returns:
        Path of the page.

    Raises:
        DataError: The record is missing, is not JSON, is of another kind or schema, or has a malformed table; or the
            page cannot be written.
    """
    record = read_json(folder / "demo.json")
    given = (record.get("kind"), record.get("schema")) if isinstance(record, Mapping) else None
    if given != _KIND:
        raise DataError(f"{folder / 'demo.json'} is {given}; this version reads {_KIND}")
    tables = [checked_table(table) for table in record.get("tables") or []]
    shown: dict[str, Any] = {
        "answer": answer_of(
            record, "Can a network that rests on the background be found out and cured?"
        ),
        "figures": [
            {**one, "png": data_uri(one.get("png"))} for one in record.get("figures") or []
        ],
        "tables": tables,
        "notes": record.get("notes") or [],
        "pages": _PAGES,
        "provenance": record.get("provenance") or {},
        "glossary": glossary_of(tables),
        "style": asset("report.css") + asset("answer.css"),
    }
    page = page_template("demo.html.j2").render(**shown)
    return write_atomically(folder / "report.html", page.encode("utf-8", errors="replace"))
