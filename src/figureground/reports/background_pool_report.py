"""The report of a background pool: what is in it, what was left out and why, both to be looked at."""

__all__ = ["write_background_pool_report"]

import base64
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from figureground.base.printable import printable
from figureground.base.record import write_atomically
from figureground.data import decode_image
from figureground.data.background import LeftOut, PoolEntry, PoolRecord, read_pool_record
from figureground.reports.answers import answer_of
from figureground.reports.contact_sheet import contact_sheet
from figureground.reports.pages import asset, page_template
from figureground.reports.tables import Table

_SHOWN, _LISTED = 12, 200
_MARKUP = re.compile(r"([\\`*_\[\]<>|~#&!])")
_REASONS = {
    "exact": "the same pixels as a target image",
    "near": "a copy of a target image (resized, recompressed, mirrored, inverted)",
    "derived": "made from an original that is a target image",
    "repeated": "the same pixels as an earlier background image",
    "confident": "a classifier takes it for a class",
    "unreadable": "cannot be decoded",
}


def write_background_pool_report(folder: Path | str) -> Path:
    """Write ``report.html``, ``report.md``, ``images.png`` and, where something was left out, ``dropped.png``.

    The page holds its styles and both contact sheets and asks nothing from the network; it has no script.

    Args:
        folder: Of a finished pool: holds ``record.json`` and the images that it names.

    Returns:
        Path of ``report.html``.

    Raises:
        DataError: There is no finished pool, or the report cannot be written.
        ImageError: An image of the pool cannot be decoded.
    """
    place = Path(folder)
    record = read_pool_record(place)
    samples, left_out = _sheet_of_samples(place, record), b""
    write_atomically(place / "images.png", samples)
    shown = [one for one in record.dropped if one.images]
    if shown:
        left_out = _sheet_of_dropped(place, shown)
        write_atomically(place / "dropped.png", left_out)
    else:
        (place / "dropped.png").unlink(missing_ok=True)
    write_atomically(place / "report.md", _page(record).encode())
    page = page_template("pool.html.j2").render(**_html(record, samples, left_out))
    return write_atomically(place / "report.html", page.encode("utf-8", errors="replace"))


def _html(record: PoolRecord, samples: bytes, left_out: bytes) -> dict[str, Any]:
    """What the template asks for."""
    tally = Counter(one.reason for one in record.dropped)
    tables = [
        Table(
            ("source", "offered", "written"),
            tuple((one.name, one.offered, one.written) for one in record.sources),
            "Sources",
        ),
        Table(
            ("left out because", "images"),
            tuple((_REASONS[reason], count) for reason, count in tally.most_common()),
            "What was left out",
            f"{record.not_chosen:,} good images were not needed. Crops, rotated copies and other images of the same "
            "things are not found.",
        ),
    ]
    origins = [
        (one.name, "; ".join(f"{key}: {words}" for key, words in one.provenance.items()))
        for one in record.sources
    ]
    about = {"provenance": asdict(record.provenance), "about": origins}
    unread = [f"target image that could not be decoded: {one}" for one in record.unreadable_targets]
    lines = [*unread, *(f"{one.name}: {one.detail}" for one in record.dropped)]
    return about | {
        "answer": answer_of({"answer": {"sentences": record.sentences()}}, "What is in the pool?"),
        "tables": tables,
        "notes": record.notes,
        "samples": _png(samples),
        "left_out": _png(left_out),
        "lines": lines[:_LISTED],
        "more": max(0, len(lines) - _LISTED),
        "style": asset("report.css") + asset("answer.css"),
    }


def _png(picture: bytes) -> str:
    """A picture as an address that holds it; empty without one."""
    return "data:image/png;base64," + base64.b64encode(picture).decode() if picture else ""


def _page(record: PoolRecord) -> str:
    """The text of the report."""
    counts = record.part_counts()
    parts = ", ".join(f"{part} {count}" for part, count in counts.items())
    groups = len({entry.group for entry in record.images})
    lines = [
        "# Background pool",
        "",
        *record.sentences(),
        "",
        f"{len(record.images)} images of {groups} originals: {parts}. No original is in two parts.",
        f"Made by: {_escaped(record.provenance.command)}",
        "",
        "| source | offered | written | where from |",
        "| --- | ---: | ---: | --- |",
    ]
    for source in record.sources:
        origin = _escaped("; ".join(f"{key}: {words}" for key, words in source.provenance.items()))
        lines.append(
            f"| {_escaped(source.name)} | {source.offered} | {source.written} | {origin} |"
        )
    return "\n".join([*lines, "", *_left_out(record), ""])


def _left_out(record: PoolRecord) -> list[str]:
    """What was left out and why."""
    against = f"Compared with {record.targets} target images" if record.targets else (
        "**Not compared with target images**"
    )  # fmt: skip
    lines = [
        "## Left out",
        "",
        f"{against}; crops, rotated copies and other images of the same things are not found.",
        f"{record.not_chosen} good images were not needed.",
        "",
    ]
    if record.unreadable_targets:
        lines += [f"{len(record.unreadable_targets)} target images could not be decoded:", ""]
        lines += [f"- {_escaped(one)}" for one in record.unreadable_targets[:_LISTED]] + [""]
    tally = Counter(one.reason for one in record.dropped)
    lines += [f"- {count} × {reason}: {_REASONS[reason]}" for reason, count in tally.most_common()]
    lines += [] if tally else ["Nothing."]
    listed = record.dropped[:_LISTED]
    lines += [""] + [f"- {_escaped(f'{one.name}: {one.detail}')}" for one in listed]
    more = len(record.dropped) - _LISTED
    return [*lines, *([f"- … and {more} more, in record.json"] if more > 0 else [])]


def _sheet_of_samples(folder: Path, record: PoolRecord) -> bytes:
    """For each source some of what was written."""
    of_source: dict[str, list[PoolEntry]] = {source.name: [] for source in record.sources}
    for entry in record.images:
        of_source[entry.source].append(entry)
    rows = []
    for name, entries in of_source.items():
        offered = sum(source.offered for source in record.sources if source.name == name)
        at = np.linspace(0, len(entries) - 1, min(_SHOWN, len(entries))).astype(int)
        images = [decode_image(folder / entries[index].file) for index in np.unique(at)]
        rows.append((f"{name}: {len(entries)} of {offered}", images))
    return contact_sheet(rows)


def _sheet_of_dropped(folder: Path, shown: list[LeftOut]) -> bytes:
    """Some left-out images for each reason, each beside what it was found to be."""
    return contact_sheet(
        [
            (
                f"{one.reason}: {one.name}: {one.detail}",
                [decode_image(folder / file) for file in one.images],
            )
            for one in shown
        ]
    )


def _escaped(text: str) -> str:
    """Text that brings neither line breaks nor markup into a page of Markdown."""
    return _MARKUP.sub(r"\\\1", printable(" ".join(text.split())))
