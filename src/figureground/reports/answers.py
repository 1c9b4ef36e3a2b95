"""How a page begins: the answer of its record, and a figure of dots and whiskers beside the band of the baseline."""

__all__ = ["answer_of"]

import math
from collections.abc import Mapping
from typing import Any

from figureground.reports.figures import Axis, axis_of


def answer_of(record: Mapping[str, Any], question: str) -> dict[str, Any]:
    """What the head and the figure of a page are made of.

    Args:
        record: Has ``answer``, as ``studies.answers.Answer`` is written; older ones have none.
        question: Heads the page where there is no answer.

    Returns:
        ``question``, ``run`` (that the model comes from, else empty),
        ``first`` and ``more`` sentences, ``rule``, ``names`` (row of a table -> words), and ``figure``,
        which is None where there is no finite number.
    """
    given = record.get("answer") or {}
    sentences = [str(one) for one in given.get("sentences") or []]
    return {
        "question": question,
        "run": str((record.get("model") or {}).get("run") or ""),
        "first": sentences[0] if sentences else question,
        "more": sentences[1:],
        "rule": given.get("rule") or "",
        "names": given.get("names") or {},
        "figure": _figure(given),
    }


def _figure(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Rows, band and ticks, their places in per cent of the width."""
    rows = [row for row in given.get("rows") or [] if _finite(row)]
    bands = [band for band in [given.get("band")] if band and _finite(band)]
    known = [*rows, *bands]
    if not rows:
        return None
    axis = axis_of(
        [
            float(one[key])
            for one in known
            for key in ("value", "low", "high")
            if one.get(key) is not None
        ],
        0.0,
        100.0,
    )
    step = axis.ticks[1] - axis.ticks[0]
    digits = next((n for n in range(12) if math.isclose(step, round(step, n), rel_tol=1e-6)), 12)
    fine = max(0, -math.floor(math.log10(step))) + 1
    return {
        "title": given.get("title") or "",
        "label": given.get("label") or "",
        "better": given.get("better") or "",
        "rows": [_bar(row, axis, digits=fine) for row in rows],
        "band": _bar(bands[0], axis, digits=fine) if bands else None,
        "ticks": [(axis.at(tick), _text(tick, digits)) for tick in axis.ticks],
    }


def _bar(row: Mapping[str, Any], axis: Axis, *, digits: int) -> dict[str, Any]:
    """A row with its places; the text holds its numbers."""
    value = float(row["value"])
    low, high = (value if row.get(key) is None else float(row[key]) for key in ("low", "high"))
    told = f" ({_text(low, digits)} to {_text(high, digits)})" if row.get("low") is not None else ""
    return {
        "name": str(row["name"]),
        "word": str(row.get("word") or ""),
        "value": _text(value, digits),
        "at": axis.at(value),
        "start": axis.at(low),
        "width": axis.at(high) - axis.at(low),
        "text": f"{_text(value, digits)}{told}",
    }


def _text(value: float, digits: int) -> str:
    """A number with a true minus; no zero has one."""
    text = f"{value:,.{digits}f}"
    return text.strip("-") if not text.strip("-0.,") else text.replace("-", "−")


def _finite(row: Mapping[str, Any]) -> bool:
    """Whether the row can be drawn."""
    ends = [row.get("value"), *(row[key] for key in ("low", "high") if row.get(key) is not None)]
    return all(isinstance(end, int | float) and math.isfinite(end) for end in ends)
