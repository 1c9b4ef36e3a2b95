"""A contact sheet of the images that rank highest, each with the map of what was looked at."""

__all__ = ["write_ranked_sheet"]

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.places import common_folder
from figureground.base.record import read_json, write_atomically
from figureground.reports.answers import answer_of
from figureground.reports.entries import data_uri, with_pictures
from figureground.reports.pages import asset, page_template
from figureground.reports.places import below

_SCHEMA = 1


def write_ranked_sheet(folder: Path) -> Path:
    """Write ``report.html`` beside the record of a ranking.

    The page holds its styles and thumbnails and asks nothing from the network; a map links to its large image in the
    folder. Its size grows with the images on the sheet only.

    Args:
        folder: Holds ``record.json`` (``kind`` rank, ``schema`` 1) and ``top/entries.jsonl``.

    Returns:
        Path of the page.

    Raises:
        DataError: The record is missing, is not JSON, is of another kind or schema; or the page cannot be written.
    """
    record = read_json(folder / "record.json")
    given = (record.get("kind"), record.get("schema")) if isinstance(record, Mapping) else None
    if given != ("rank", _SCHEMA):
        raise DataError(
            f"{folder / 'record.json'} is {given}; this version reads ('rank', {_SCHEMA})"
        )
    entries = _entries(folder / "top" / "entries.jsonl")
    everything = [str(one["path"]) for one in (*record["top"], *record["failed"])]
    root = common_folder(everything)
    cards = [
        _card(rank, one, entries, root=root) for rank, one in enumerate(record["top"], start=1)
    ]
    failed = [{**one, "path": below(root, str(one["path"]))} for one in record["failed"]]
    page = page_template("ranked.html.j2").render(
        record=record,
        cards=cards,
        failed=failed,
        answer=answer_of(record, f"Which images show {' or '.join(record['classes'])}?"),
        about=_about(record),
        style=asset("report.css") + asset("answer.css"),
    )
    return write_atomically(folder / "report.html", page.encode("utf-8", errors="replace"))


def _about(record: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """How it was made."""
    by = "log odds of the class's probability" if record["score"] == "softmax" else "logit"
    model = record["model"]
    return [
        ("run", model.get("run")),
        ("model", model["name"]),
        ("input", model.get("input") or model.get("preprocessing")),
        ("ranked by", by),
        ("seconds", record.get("seconds")),
    ]


def _entries(path: Path) -> dict[str, Mapping[str, Any]]:
    """Explained images by their place; lines that cannot be read are left out, their images go without a map."""
    found: dict[str, Mapping[str, Any]] = {}
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            entry = with_pictures(entry, path.parent)
            found |= {str(entry["image"]): entry, str(entry.get("unit")): entry}
        except (ValueError, TypeError, KeyError):
            continue
    return found


def _card(
    rank: int, one: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]], *, root: str
) -> dict[str, Any]:
    """What the page shows of one image."""
    entry = entries.get(str(one.get("image") or one["path"]), {})
    panels = entry.get("panels") or []
    mine = [each for each in panels if each.get("label") == one["class_name"]]
    panel: Mapping[str, Any] = mine[0] if mine else {}
    link = panel.get("png")
    return {
        "rank": rank,
        "path": below(root, str(one["path"])),
        "class_name": one["class_name"],
        "score": f"{one['score']:.3f}".replace("-", "−"),
        "probability": f"{100 * one['probability']:.1f} %",
        "photo": data_uri(entry.get("thumbnail")),
        "map": data_uri(panel.get("thumbnail")),
        "link": f"top/{link}" if isinstance(link, str) else None,
        "problem": panel.get("problem") or "",
    }
