"""One page that shows what a model looks at, from the files that an explain job saved."""

__all__ = ["write_explain_report"]

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.places import common_folder
from figureground.base.record import read_json, replaced
from figureground.maps import colour_bar
from figureground.reports.answers import answer_of
from figureground.reports.cards import Card
from figureground.reports.entries import card_of, data_uri, with_pictures
from figureground.reports.pages import asset, page_template, script_digest
from figureground.reports.places import below, without_folders
from figureground.reports.tables import checked_table

_CARDS_PER_PAGE = 50
_NAMED_AT_MOST = 5
_MOST_CARDS = 2000
"""Half of them at even steps, half for maps with a problem, where there are more images."""


@dataclass
class _Survey:
    """What a first reading of the entries found."""

    readable: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    found_boxes: bool = False
    true_boxes: bool = False
    unseen: bool = False
    unreadable: list[str] = field(default_factory=list)


def write_explain_report(folder: Path) -> Path:
    """Write ``report.html`` beside the record of an explain job.

    The page holds its styles, script and thumbnails and asks nothing from the network; a thumbnail
    links to its full-size file in the folder. Entries are read and written one by one, so memory
    does not grow with their number; of more than 2,000 images the page shows some, and all those with a problem up to
    1,000. A line of ``entries.jsonl`` that cannot be read, such as the
    half-written last line of a killed job, is left out and named on the page.

    Args:
        folder: Holds ``record.json`` (``schema`` 1) and ``entries.jsonl``.

    Returns:
        Path of the page.

    Raises:
        DataError: The record is missing, is not JSON or has another schema; a table of the record
            or a file of pictures is malformed; or the page cannot be written.
    """
    record = read_json(folder / "record.json")
    if not isinstance(record, Mapping) or record.get("schema") != 1:
        given = record.get("schema") if isinstance(record, Mapping) else None
        raise DataError(f"{folder / 'record.json'}: schema {given}; this version reads schema 1")
    entries = folder / "entries.jsonl"
    root = common_folder(_places(entries))
    survey = _survey(entries, root)
    shown = _sample(_cards(entries, _Survey(), root), survey.readable)
    groups = _grouped(
        card_of(with_pictures(entry, folder), card.number, root) for card, entry in shown
    )
    template = page_template("explain.html.j2")
    page = template.generate(**_page(record, survey, root), groups=groups)
    return _write_pieces(folder / "report.html", page)


def _places(entries: Path) -> Iterator[str]:
    """Where the images lie, as far as lines can be read."""
    for line in _lines(entries):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):  # which the survey names
            continue
        if isinstance(entry, Mapping) and isinstance(entry.get("image"), str):
            yield entry["image"]


def _survey(entries: Path, root: str) -> _Survey:
    """Count what is there before the head of the page is written."""
    survey = _Survey()
    for card, _ in _cards(entries, survey, root):
        survey.readable += 1
        survey.problems.update(card.problems)
        survey.true_boxes |= bool(card.truth_boxes)
        survey.found_boxes |= card.has_found_boxes
        survey.unseen |= card.unseen
    return survey


def _cards(entries: Path, survey: _Survey, root: str) -> Iterator[tuple[Card, dict[str, Any]]]:
    """The readable entries, one by one, each with its line; the others are noted in the survey."""
    number = 0
    for line_number, line in enumerate(_lines(entries), start=1):
        try:
            entry = json.loads(line)
            card = card_of(entry, number + 1, root)
        except (DataError, ValueError, RecursionError) as error:
            survey.unreadable.append(f"line {line_number} of {entries.name}: {error}")
            continue
        number += 1
        yield card, entry


def _lines(entries: Path) -> Iterator[str]:
    """Lines that hold something; none where the file is absent."""
    if not entries.is_file():
        return
    with entries.open(encoding="utf-8", errors="replace") as file:
        yield from (line for line in file if line.strip())


def _sample(
    cards: Iterable[tuple[Card, dict[str, Any]]], count: int
) -> Iterator[tuple[Card, dict[str, Any]]]:
    """All cards, or of very many some at even steps and the first ones whose maps have a problem."""
    half, wrong = _MOST_CARDS // 2, 0
    for card, entry in cards:
        at_step = card.number * half // count > (card.number - 1) * half // count
        is_wrong = bool(card.problems) and wrong < half
        if count <= _MOST_CARDS or at_step or is_wrong:
            wrong += is_wrong
            yield card, entry


def _grouped(cards: Iterable[Card]) -> Iterator[list[Card]]:
    """Cards by page."""
    source = iter(cards)
    while group := list(islice(source, _CARDS_PER_PAGE)):
        yield group


def _page(record: Mapping[str, Any], survey: _Survey, root: str) -> dict[str, Any]:
    """What the template asks for, apart from the cards; it names no folder of the machine."""
    script = asset("report.js") + asset("sorting.js")
    made, refused = record.get("provenance") or {}, record.get("refused") or {}
    return {
        "model": {k: without_folders(str(v)) for k, v in (record.get("model") or {}).items()},
        "methods": record.get("methods") or [],
        "answer": answer_of(record, ""),
        "provenance": {**made, "command": without_folders(str(made.get("command") or ""))},
        "failed": [
            {**each, "path": below(root, str(each.get("path")))}
            for each in record.get("failed") or []
        ],
        "refused": {name: without_folders(reason) for name, reason in refused.items()},
        "seconds": record.get("seconds"),
        "notes": [
            *(without_folders(note) for note in record.get("notes") or []),
            *_left_out(survey),
        ],
        "warnings": _warnings(record, survey),
        "tables": [checked_table(table) for table in record.get("tables") or []],
        "figures": [
            {**figure, "picture": data_uri(figure.get("png"))}
            for figure in record.get("figures") or []
        ],
        "colours": _gradient(str(record.get("colour_map") or "inferno")),
        "survey": survey,
        "per_page": _CARDS_PER_PAGE,
        "style": asset("report.css") + asset("answer.css") + asset("explain.css"),
        "script": script,
        "script_digest": script_digest(script),
    }


def _left_out(survey: _Survey) -> list[str]:
    """What is said where the page does not show every image."""
    if survey.readable <= _MOST_CARDS:
        return []
    half = _MOST_CARDS // 2
    told = (
        f"Of {survey.readable:,} images the page shows {half:,} at even steps and the first {half:,} whose maps have a "
        "problem; entries.jsonl holds all of them."
    )
    return [told]


def _warnings(record: Mapping[str, Any], survey: _Survey) -> list[str]:
    """What a reader must know about the files behind the page."""
    warnings = []
    if survey.unreadable:
        shown = "; ".join(survey.unreadable[:_NAMED_AT_MOST])
        more = "; …" if len(survey.unreadable) > _NAMED_AT_MOST else ""
        warnings.append(f"{len(survey.unreadable)} saved entries left out: {shown}{more}")
    planned = record.get("images")
    if isinstance(planned, int) and planned != survey.readable:
        warnings.append(f"The record speaks of {planned} images; {survey.readable} can be shown.")
    return warnings


def _gradient(colour_map: str) -> str:
    """A colour map as the stops of a CSS gradient, lowest first."""
    stops = colour_bar(17, colour_map, width=1).flip(0)[:, 0].tolist()
    return ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in stops)


def _write_pieces(target: Path, pieces: Iterable[str]) -> Path:
    """Write piece by piece beside the target, then put the whole in its place."""
    with replaced(target) as file:
        # a file name that is no valid text must not stop the page: it is shown with '?'
        file.writelines(piece.encode("utf-8", "replace") for piece in pieces)
    return target
