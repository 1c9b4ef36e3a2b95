"""The page of a training run: what it reached, curves, confusions, the worst images, cost and recipe."""

__all__ = ["write_training_report"]

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.record import write_atomically
from figureground.reports.answers import answer_of
from figureground.reports.entries import data_uri
from figureground.reports.pages import asset, chart_of, page_template, record_of_kind, write_tables
from figureground.reports.plain_words import glossary_of
from figureground.reports.tables import Table, checked_table

_SCHEMA, _POINTS = 2, 300
_SHARES = ("accuracy", "mean_ap")  # of the log, which the page shows in per cent


def write_training_report(folder: Path) -> Path:
    """Write ``report.html``, ``tables.md`` and ``tables/*.csv`` into the folder of a finished run.

    The page holds its styles and pictures and asks nothing from the network; it has no script.

    Args:
        folder: Holds ``record.json`` (``kind`` train, ``schema`` 2), ``history.csv`` and ``recipe.yaml``.

    Returns:
        Path of the page.

    Raises:
        DataError: The run is not finished, its files cannot be read, or the page cannot be written.
    """
    record = record_of_kind(folder, "train", _SCHEMA)
    tables = [checked_table(table) for table in record.get("tables") or []]
    write_tables(folder, tables)
    page = page_template("training.html.j2").render(**_page(record, tables, folder))
    return write_atomically(folder / "report.html", page.encode("utf-8", errors="replace"))


def _page(record: Mapping[str, Any], tables: list[Table], folder: Path) -> dict[str, Any]:
    """What the template asks for."""
    data = record.get("data") or {}
    return {
        "answer": answer_of(record, "What did the network learn?"),
        "about": _about(record, data),
        "provenance": record.get("provenance") or {},
        "images": data.get("val"),
        "notes": data.get("notes") or [],
        "worst": [
            {**one, "picture": data_uri(one.get("picture"))} for one in record.get("worst") or []
        ],
        "tables": tables,
        "charts": [chart_of(one) for one in _curves(folder / "history.csv")],
        "recipe": _text(folder / "recipe.yaml"),
        "glossary": glossary_of(tables),
        "style": asset("report.css") + asset("answer.css"),
    }


def _about(record: Mapping[str, Any], data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Cost, and what it was trained on."""
    seconds, images = float(record.get("seconds") or 0), int(record.get("images") or 0)
    speed = f", {images / seconds:,.0f} images a second" if seconds else ""
    return [
        ("trained numbers", f"{int(record.get('parameters') or 0):,}"),
        ("steps", f"{int(record.get('steps') or 0):,}"),
        ("images shown", f"{images:,}"),
        ("seconds of training", f"{seconds:.1f}{speed}"),
        ("device", record.get("device")),
        ("training images", data.get("train")),
        ("validation images", data.get("val")),
    ]


def _curves(history: Path) -> list[dict[str, Any]]:
    """A chart for each number of the log, training and validation in one; losses and accuracies first."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    try:
        with history.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                series = found.setdefault(row["name"], {})
                split = {"train": "training", "val": "validation"}.get(row["split"], row["split"])
                times = 100 if row["name"] in _SHARES else 1
                series.setdefault(split, []).append(
                    (float(row["step"]), times * float(row["value"]))
                )
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError) as error:
        raise DataError(f"cannot read {history}: {error}") from error
    first = [name for name in ("accuracy", "mean_ap", "loss") if name in found]
    return [
        {
            "title": f"{name.replace('_', ' ')}, %" if name in _SHARES else name.replace("_", " "),
            "x_label": "steps",
            "y_label": "",
            "series": {split: _thinned(points) for split, points in found[name].items()},
        }
        for name in [*first, *(name for name in found if name not in first)]
    ]


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """So few points that a page can hold them, the last one among them."""
    step = -(-len(points) // _POINTS)
    return points[::-1][::step][::-1]


def _text(path: Path) -> str:
    """A text file of the run."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
