"""What every page of ours is made with: templates, styles, charts, and tables beside it."""

__all__ = [
    "asset",
    "chart_of",
    "page_template",
    "record_of_kind",
    "script_digest",
    "write_tables",
]

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup

from figureground.base.errors import DataError
from figureground.base.record import read_json, write_atomically
from figureground.reports.figures import line_chart_svg, svg_data_uri
from figureground.reports.places import held_together, without_folders
from figureground.reports.plain_words import explained, option_words, problem_words, without_code
from figureground.reports.tables import Table, aligned_texts, as_csv, as_markdown, cell_text


def page_template(name: str) -> Template:
    """A template that escapes whatever is put into it, and names no folder of the machine: pages are passed on.

    Args:
        name: File in ``templates``.

    Returns:
        The template. Its filters: ``cell`` writes a cell of a table, ``aligned`` all of them, ``explained`` short names
        with their meaning, ``plain`` a description without code, ``option`` the name of an option as words,
        ``problem`` a kind of problem as words.
    """
    environment = Environment(
        loader=PackageLoader("figureground.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_for_readers,
    )
    environment.filters |= {
        "cell": cell_text,
        "aligned": aligned_texts,
        "explained": explained,
        "plain": without_code,
        "option": option_words,
        "problem": problem_words,
    }
    sorting = asset("sorting.js")
    environment.globals |= {"sorting": sorting, "sorting_digest": script_digest(sorting)}
    return environment.get_template(name)


def script_digest(script: str) -> str:
    """What a page's policy names a script by, so that no other runs.

    Args:
        script: Its text, as it stands between the tags.

    Returns:
        SHA-256 in base 64.
    """
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _for_readers(value: Any) -> Any:  # noqa: ANN401 - whatever a template shows
    """Text without the folders of absolute paths, numbers beside their %; pictures and markup stay as they are."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return (
        held_together(without_folders(value))
        if is_text and not value.startswith("data:")
        else value
    )


def asset(name: str) -> str:
    """The text of a style or script.

    Args:
        name: File in ``templates``.

    Returns:
        Its text.
    """
    return (files("figureground.reports") / "templates" / name).read_text(encoding="utf-8")


def record_of_kind(folder: Path, kind: str, schema: int) -> Mapping[str, Any]:
    """The record that a page is made of.

    Args:
        folder: Holds ``record.json``.
        kind: Of the record.
        schema: That the page can show.

    Returns:
        The record.

    Raises:
        DataError: It is missing, is not JSON, or is of another kind or schema.
    """
    record = read_json(folder / "record.json")
    known = isinstance(record, Mapping) and record.get("kind") == kind
    if not known or record.get("schema") != schema:
        raise DataError(
            f"{folder / 'record.json'} is no {kind} of schema {schema}, which this version reads"
        )
    found: Mapping[str, Any] = record
    return found


def write_tables(folder: Path, tables: Sequence[Table]) -> None:
    """All tables in one Markdown file, ``tables.md``, and each as CSV in ``tables``, numbered in order.

    Args:
        folder: Where.
        tables: The tables.
    """
    text = "\n".join(as_markdown(table) for table in tables)
    write_atomically(folder / "tables.md", text.encode())
    for number, table in enumerate(tables, start=1):
        name = re.sub(r"[^a-z0-9]+", "-", table.title.lower()).strip("-")[:60] or "table"
        write_atomically(folder / "tables" / f"{number:02d}-{name}.csv", as_csv(table).encode())


def chart_of(curves: Mapping[str, Any]) -> dict[str, str]:
    """A chart as a picture; words where it holds nothing to draw.

    Args:
        curves: As a record holds them: title, x_label, y_label, series, caption.

    Returns:
        ``title``, ``caption`` and ``picture``, a data address.
    """
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
