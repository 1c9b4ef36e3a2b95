"""Curves as SVG, written by hand: no plotting library, no fonts, no scripts."""

__all__ = ["Axis", "axis_of", "interval_chart_svg", "line_chart_svg", "svg_data_uri"]

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from figureground.base.errors import DataError

# Okabe and Ito (2008), Color universal design: told apart by colour-blind readers
_INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8a7a00")
_DASHES = ("", "7 3", "2 3", "9 3 2 3")
_WIDTH, _HEIGHT = 640, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 92.0, 612.0, 48.0, 340.0
_LEGEND_COLUMNS = 2
_LEGEND_LINE = 26
_ROW = 28.0  # of a chart of intervals

_HEADING = 'font-size="20" font-weight="600"'

Point = tuple[float | int, float | int | None]


@dataclass(frozen=True)
class Axis:
    """One axis.

    Args:
        low: Value at its start.
        high: Value at its end.
        ticks: Round values from the one to the other.
        start: Place of the lowest value.
        end: Place of the highest one.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    start: float
    end: float

    def at(self, value: float) -> float:
        """Place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def line_chart_svg(
    series: Mapping[str, Sequence[Point]], *, title: str, x_label: str, y_label: str
) -> str:
    """Curves in one chart, as the text of an SVG picture.

    Curves differ in colour and in dashes. A missing or non-finite ``y`` breaks its curve.

    Args:
        series: Name of a curve -> its points ``(x, y)`` in drawing order; ``y`` may be None.
        title: Words above the chart.
        x_label: What the horizontal axis counts, with unit.
        y_label: What the vertical axis counts, with unit.

    Returns:
        A complete ``<svg>`` element, 640 pixels wide; all words are escaped.

    Raises:
        DataError: There is no finite point at all.

    Examples:
        >>> svg = line_chart_svg({"cam": [(0, 1.0), (1, 0.5)]}, title="a<b", x_label="", y_label="")
        >>> svg.startswith("<svg"), "a&lt;b" in svg, svg.count("<polyline")
        (True, True, 1)
    """
    curves = {name: _pieces(points) for name, points in series.items()}
    points = [point for pieces in curves.values() for piece in pieces for point in piece]
    if not points:
        raise DataError(f"no finite point to draw in '{title}'")
    x_axis = axis_of([x for x, _ in points], _LEFT, _RIGHT)
    y_axis = axis_of([y for _, y in points], _BOTTOM, _TOP)
    height = _HEIGHT + _LEGEND_LINE * math.ceil(len(curves) / _LEGEND_COLUMNS)
    parts = [
        _opening(height),
        f"<title>{_escaped(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        _words((_LEFT, 26.0), title, _HEADING),
        *_grid(x_axis, y_axis),
        _words(((_LEFT + _RIGHT) / 2, _BOTTOM + 52), x_label, 'text-anchor="middle"'),
        _words((0.0, 0.0), y_label, f'text-anchor="middle" transform="{_upright()}"'),
    ]
    for number, (name, pieces) in enumerate(curves.items()):
        parts += _curve(pieces, _pen(number), (x_axis, y_axis))
        parts += _legend(name, number)
    return "\n".join([*parts, "</svg>"])


def interval_chart_svg(
    rows: Sequence[tuple[str, float, float, float, bool]], *, title: str, label: str
) -> str:
    """A dot with its interval for each row, as the text of an SVG picture.

    Args:
        rows: Name, value, lower and upper end, and whether the row is marked, from the top.
        title: Words above the chart.
        label: What the horizontal axis counts, with unit.

    Returns:
        A complete ``<svg>`` element, 640 pixels wide; all words are escaped.

    Raises:
        DataError: There is no row with finite numbers.

    Examples:
        >>> svg = interval_chart_svg([("a", 0.1, 0.0, 0.2, True)], title="t", label="x")
        >>> svg.startswith("<svg"), svg.count("<circle")
        (True, 1)
    """
    known = [row for row in rows if all(map(math.isfinite, row[1:4]))]
    if not known:
        raise DataError(f"no finite row to draw in '{title}'")
    left, bottom = 250.0, _TOP + _ROW * len(known)
    axis = axis_of([0.0, *(end for row in known for end in row[1:4])], left, _RIGHT)
    parts = [
        _opening(round(bottom) + 66),
        f"<title>{_escaped(title)}</title>",
        f'<rect width="{_WIDTH}" height="{round(bottom) + 66}" fill="#fff"/>',
        _words((12.0, 26.0), title, _HEADING),
        _words((_WIDTH / 2, bottom + 52), label, 'text-anchor="middle" font-size="15"'),
    ]
    for tick in axis.ticks:
        x = axis.at(tick)
        parts.append(_line((x, _TOP), (x, bottom)))
        parts.append(_words((x, bottom + 24), f"{tick:g}", 'text-anchor="middle"'))
    for number, (name, value, low, high, marked) in enumerate(known):
        y = _TOP + _ROW * number + 14
        ink = _INKS[1] if marked else "#777"
        parts += [
            _words(
                (left - 10, y + 6),
                name[:24],
                f'text-anchor="end" fill="{ink if marked else "#333"}"',
            ),
            f'<path d="M{axis.at(low):.1f} {y}H{axis.at(high):.1f}" stroke="{ink}" stroke-width="2"/>',
            f'<circle cx="{axis.at(value):.1f}" cy="{y}" r="4" fill="{ink}"/>',
        ]
    return "\n".join([*parts, "</svg>"])


def svg_data_uri(svg: str) -> str:
    """A picture as an address that holds it, for ``<img src>`` and for the figures of a record.

    Args:
        svg: The text of an SVG picture.

    Returns:
        ``data:image/svg+xml;base64,...``.

    Examples:
        >>> svg_data_uri("<svg/>")
        'data:image/svg+xml;base64,PHN2Zy8+'
    """
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _opening(height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" font-family="system-ui, sans-serif" '
        'font-size="18" fill="#333">'
    )


def _pieces(points: Sequence[Point]) -> list[list[tuple[float, float]]]:
    """A curve cut where a value is missing."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None or not (math.isfinite(x) and math.isfinite(y)):
            pieces.append([])
        else:
            pieces[-1].append((float(x), float(y)))
    return [piece for piece in pieces if piece]


def axis_of(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis that starts and ends on round values and covers all that were given.

    Args:
        values: At least one, finite.
        start: Where the lowest value falls.
        end: Where the highest one falls.

    Returns:
        The axis.

    Examples:
        >>> axis_of([0.2, 9.7], 0.0, 100.0).at(5.0)
        50.0
    """
    low, high = min(values), max(values)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = abs(low) / 2 or 0.5
        low, high = low - pad, high + pad
    step = _round_step((high - low) / 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(number * step for number in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, start, end)


def _round_step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5 and 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)


def _grid(x_axis: Axis, y_axis: Axis) -> list[str]:
    """Grid lines and numbers."""
    lines = []
    for value in y_axis.ticks:
        y = y_axis.at(value)
        lines.append(_line((_LEFT, y), (_RIGHT, y)))
        lines.append(_words((_LEFT - 8, y + 6), f"{value:.6g}", 'text-anchor="end"'))
    for value in x_axis.ticks:
        x = x_axis.at(value)
        lines.append(_line((x, _BOTTOM), (x, _BOTTOM + 5)))
        lines.append(_words((x, _BOTTOM + 25), f"{value:.6g}", 'text-anchor="middle"'))
    return lines


def _curve(pieces: list[list[tuple[float, float]]], pen: str, axes: tuple[Axis, Axis]) -> list[str]:
    """The lines of one curve; a lone point as a dot."""
    drawn = []
    for piece in pieces:
        spots = [(axes[0].at(x), axes[1].at(y)) for x, y in piece]
        if len(spots) == 1:
            drawn.append(f'<circle cx="{spots[0][0]:.1f}" cy="{spots[0][1]:.1f}" r="3" {pen}/>')
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
            drawn.append(f'<polyline points="{path}" {pen}/>')
    return drawn


def _legend(name: str, number: int) -> list[str]:
    """A stroke and a name below the chart."""
    column, line = number % _LEGEND_COLUMNS, number // _LEGEND_COLUMNS
    x, y = _LEFT + column * 265, _BOTTOM + 82 + line * _LEGEND_LINE
    short = name if len(name) <= 20 else name[:19] + "…"
    stroke = f'<path d="M{x} {y - 6}h26" {_pen(number)}/>'
    return [stroke, _words((x + 34, y), short, "")]


def _pen(number: int) -> str:
    """Colour and dashes of a curve: the colours come round with other dashes."""
    ink = _INKS[number % len(_INKS)]
    dash = _DASHES[(number + number // len(_INKS)) % len(_DASHES)]
    return f'fill="none" stroke="{ink}" stroke-width="2.2" stroke-dasharray="{dash or "none"}"'


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        'stroke="#ddd"/>'
    )


def _words(place: tuple[float, float], text: str, style: str) -> str:
    return f'<text x="{place[0]:.1f}" y="{place[1]:.1f}" {style}>{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    """Text without markup and without characters that XML refuses."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def _upright() -> str:
    """Where the name of the vertical axis stands."""
    return f"translate(22 {(_TOP + _BOTTOM) / 2}) rotate(-90)"
