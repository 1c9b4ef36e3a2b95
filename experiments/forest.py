"""Effects and their intervals as a picture, in SVG.

command:   none; it is imported by ``tables.py``
expected:  nothing of its own
"""

__all__ = ["drawn"]

from collections.abc import Sequence
from html import escape

WIDE, MIDDLE, SCALE, MOST = 1090, 810, 10.0, 24.0
GOOD, BAD, OPEN = "#1a7f37", "#b3261e", "#555555"


def drawn(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """One line a row.

    Args:
        rows: What it is of, mean, low and high in points, more is better.

    Returns:
        SVG. What is further than 24 points from 0 is drawn at the edge, with its number.
    """
    high = 26 * len(rows) + 56
    box = f'width="{WIDE}" height="{high}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {high}" font-family="sans-serif" font-size="13">',
        f'<rect {box} fill="white"/>',
        f'<line x1="{MIDDLE}" x2="{MIDDLE}" y1="8" y2="{high - 40}" stroke="#999999"/>',
    ]
    for place, (label, mean, low, top) in enumerate(rows):
        parts += _row(26 * place + 24, label, (mean, low, top))
    for tick in (-20, -10, 0, 10, 20):
        x, sign = _at(tick), "+" if tick > 0 else ""
        parts.append(f'<text x="{x:.0f}" y="{high - 22}" text-anchor="middle">{sign}{tick}</text>')
    parts.append(
        f'<text x="{MIDDLE}" y="{high - 6}" text-anchor="middle" font-size="12">'
        "points; to the right is better</text>"
    )
    return "\n".join([*parts, "</svg>", ""]).replace("−", "-")


def _row(y: float, label: str, told: tuple[float, float, float]) -> list[str]:
    mean, low, top = told
    colour = GOOD if low > 0 else BAD if top < 0 else OPEN
    line = f'<line x1="{_at(low):.1f}" x2="{_at(top):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
    parts = [
        f'<text x="10" y="{y + 4}">{escape(label)}</text>',
        line,
        f'<circle cx="{_at(mean):.1f}" cy="{y}" r="4" fill="{colour}"/>',
    ]
    if abs(mean) > MOST:
        parts.append(
            f'<text x="{_at(mean) + 8:.1f}" y="{y - 4}" font-size="11" fill="{colour}">{mean:+.0f}</text>'
        )
    return parts


def _at(points: float) -> float:
    return MIDDLE + SCALE * max(-MOST, min(MOST, points))
