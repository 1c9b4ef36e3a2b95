"""The report of a pool: what is in it, what was left out and why, both to be looked at."""

__all__ = ["write_report"]

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from figureground.base.record import write_atomically
from figureground.data.background.contact_sheet import contact_sheet
from figureground.data.background.pool_record import PoolRecord
from figureground.data.background.screening import Dropped
from figureground.data.background.source import BackgroundSource, Concat, Picture

_SHOWN, _PAIRS, _LISTED = 12, 10, 200
_REASONS = {
    "exact": "the same pixels as a target picture",
    "near": "a copy of a target picture (resized, recompressed, mirrored, inverted)",
    "derived": "made from an original that is a target picture",
    "repeated": "the same pixels as an earlier background picture",
    "confident": "a classifier takes it for a class",
    "unreadable": "cannot be decoded",
}


def write_report(
    folder: Path,
    record: PoolRecord,
    *,
    mix: Concat,
    rows: Sequence[int],
    target: BackgroundSource | None,
) -> None:
    """Write ``report.md``, ``pictures.png`` and, where something was left out, ``dropped.png``.

    Args:
        folder: Of the pool.
        record: What became of everything.
        mix: The sources.
        rows: Those that were written.
        target: What was screened against, or None.
    """
    write_atomically(folder / "report.md", _text(record, mix).encode())
    write_atomically(folder / "pictures.png", contact_sheet(_samples(mix, rows)))
    pairs = _pairs(record.dropped, mix, target)
    if pairs:
        write_atomically(folder / "dropped.png", contact_sheet(pairs))
    else:
        (folder / "dropped.png").unlink(missing_ok=True)


def _text(record: PoolRecord, mix: Concat) -> str:
    """The page."""
    counts = record.part_counts()
    parts = ", ".join(f"{part} {count}" for part, count in counts.items())
    groups = len({entry.group for entry in record.pictures})
    lines = [
        "# Background pool",
        "",
        f"{len(record.pictures)} pictures of {groups} originals: {parts}. No original is in two parts.",
        f"Made by `{record.provenance.command}`.",
        "",
        "| source | offered | written | where from |",
        "| --- | ---: | ---: | --- |",
    ]
    for source in record.sources:
        origin = "; ".join(f"{key}: {words}" for key, words in source.provenance.items())
        lines.append(f"| {source.name} | {source.offered} | {source.written} | {origin} |")
    return "\n".join([*lines, "", *_left_out(record, mix), ""])


def _left_out(record: PoolRecord, mix: Concat) -> list[str]:
    """What was left out and why."""
    against = f"Compared with {record.targets} target pictures" if record.targets else (
        "**Not compared with target pictures**"
    )  # fmt: skip
    lines = [
        "## Left out",
        "",
        f"{against}; crops, turned copies and other pictures of the same things are not found.",
        f"{record.not_chosen} good pictures were not needed.",
        "",
    ]
    if record.unreadable_targets:
        lines += [f"{len(record.unreadable_targets)} target pictures could not be decoded:", ""]
        lines += [f"- {reason}" for reason in record.unreadable_targets[:_LISTED]] + [""]
    tally = Counter(one.reason for one in record.dropped)
    lines += [f"- {count} × {reason}: {_REASONS[reason]}" for reason, count in tally.most_common()]
    lines += [] if tally else ["Nothing."]
    lines += [""] + [f"- {_name(mix, one.row)}: {one.detail}" for one in record.dropped[:_LISTED]]
    more = len(record.dropped) - _LISTED
    return [*lines, *([f"- … and {more} more, in record.json"] if more > 0 else [])]


def _name(mix: Concat, row: int) -> str:
    """Source, number and original of a picture."""
    part, inside = mix.place(row)
    return f"{mix.sources[part].name} {inside} ({Path(mix.group(row)).name})"


def _samples(mix: Concat, rows: Sequence[int]) -> list[tuple[str, list[Picture]]]:
    """For each source some of what was written."""
    samples: list[tuple[str, list[Picture]]] = []
    for number, source in enumerate(mix.sources):
        mine = [row for row in rows if mix.place(row)[0] == number]
        places = np.unique(np.linspace(0, len(mine) - 1, min(_SHOWN, len(mine))).astype(int))
        title = f"{source.name}: {len(mine)} of {len(source)}"
        samples.append((title, [mix[mine[at]] for at in places]))
    return samples


def _pairs(
    dropped: Sequence[Dropped], mix: Concat, target: BackgroundSource | None
) -> list[tuple[str, list[Picture]]]:
    """Some left-out pictures for each reason, each beside what it was found to be."""
    pairs: list[tuple[str, list[Picture]]] = []
    shown: Counter[str] = Counter()
    for one in dropped:
        shown[one.reason] += 1
        if one.reason == "unreadable" or shown[one.reason] > _PAIRS:
            continue
        pictures = [mix[one.row]]
        other = mix if one.reason == "repeated" else target
        if one.match is not None and other is not None:
            pictures.append(other[one.match])
        pairs.append((f"{one.reason}: {_name(mix, one.row)}: {one.detail}", pictures))
    return pairs
