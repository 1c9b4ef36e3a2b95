"""One page for a finished evaluation, and its tables as Markdown and CSV, from ``record.json`` alone."""

__all__ = ["write_evaluation_report"]

import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.record import read_json, write_atomically
from figureground.reports.answers import answer_of
from figureground.reports.pages import asset, chart_of, page_template, write_tables
from figureground.reports.plain_words import glossary_of, option_words
from figureground.reports.tables import Table, checked_table

_SCHEMA = 2
_PICTURE = re.compile(r"data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/=]+")


def write_evaluation_report(folder: Path) -> Path:
    """Write ``report.html``, ``tables.md`` and ``tables/*.csv`` beside the record of an evaluation.

    The page holds its styles and pictures and asks nothing from the network; it has no script.

    Args:
        folder: Holds ``record.json`` (``schema`` 2).

    Returns:
        Path of the page.

    Raises:
        DataError: The record is missing, is not JSON, has another schema or a malformed table; or the
            page cannot be written.
    """
    record = read_json(folder / "record.json")
    if not isinstance(record, Mapping) or record.get("schema") != _SCHEMA:
        given = record.get("schema") if isinstance(record, Mapping) else None
        raise DataError(
            f"{folder / 'record.json'}: schema {given}; this version reads schema {_SCHEMA}"
        )
    tables = [checked_table(table) for table in record.get("tables") or []]
    write_tables(folder, tables)
    page = page_template("evaluation.html.j2").render(**_page(record, tables))
    return write_atomically(folder / "report.html", page.encode("utf-8", errors="replace"))


def _page(record: Mapping[str, Any], tables: list[Table]) -> dict[str, Any]:
    """What the template asks for."""
    cases = _cases(record.get("cases") or [])
    return {
        **{name: record.get(name) or {} for name in ("problems", "provenance")},
        "answer": answer_of(record, str(record.get("title") or "Evaluation")),
        "about": _about(record),
        "images": record.get("images"),
        "notes": record.get("notes") or [],
        "examples": record.get("examples_of_problems") or [],
        "tables": tables,
        "charts": [chart_of(curves) for curves in record.get("charts") or []],
        "cases": cases,
        "beside": any(
            case.get("baseline_overlap") is not None for group in cases for case in group["cases"]
        ),
        "boxed": any(
            case.get("measure", "IoU") == "IoU" for group in cases for case in group["cases"]
        ),
        "glossary": glossary_of(tables),
        "style": asset("report.css") + asset("answer.css"),
    }


def _about(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """How it was made: data, model, methods and everything that changes the numbers."""
    model = record.get("model") or {}
    return [
        ("data", record.get("data")),
        ("run", model.get("run")),
        ("model", model.get("name")),
        ("layer", model.get("layer")),
        ("why this layer", model.get("layer_reason")),
        ("input", model.get("input") or model.get("preprocessing")),
        *(record.get("methods") or {}).items(),
        *(
            (option_words(name), words)
            for name, words in (record.get("options") or {}).items()
            if name != "methods"  # which are told one by one
        ),
        ("seconds", record.get("seconds")),
    ]


def _cases(cases: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Cases by method and kind, in the record's order; a picture that is no data address is left out."""
    groups = groupby(cases, key=lambda case: (str(case.get("method")), str(case.get("kind"))))
    return [
        {"method": method, "kind": kind, "cases": [_shown(case) for case in group]}
        for (method, kind), group in groups
    ]


def _shown(case: Mapping[str, Any]) -> dict[str, Any]:
    picture = str(case.get("picture") or "")
    return {**case, "picture": picture if _PICTURE.fullmatch(picture) else ""}
