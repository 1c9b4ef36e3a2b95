"""Curves as SVG."""

import base64
from xml.etree import ElementTree as ET

import pytest

from figureground.base.errors import DataError
from figureground.reports.figures import line_chart_svg, svg_data_uri

SVG = "{http://www.w3.org/2000/svg}"


def chart(series, **words):
    text = {"title": "Deletion", "x_label": "removed", "y_label": "score", **words}
    return ET.fromstring(line_chart_svg(series, **text))  # noqa: S314 - our own text


def words_of(root) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def corners(root) -> list[list[tuple[float, float]]]:
    curves = []
    for line in root.iter(f"{SVG}polyline"):
        pairs = [pair.split(",") for pair in line.attrib["points"].split()]
        curves.append([(float(x), float(y)) for x, y in pairs])
    return curves


def test_points_fall_where_the_tick_labels_say():
    root = chart({"cam": [(0, 0.0), (1, 1.0), (2, 0.5)]})
    (spots,) = corners(root)
    where = {
        (element.text, element.attrib["text-anchor"]): element.attrib
        for element in root.iter(f"{SVG}text")
        if "text-anchor" in element.attrib
    }
    assert spots[1][0] == pytest.approx(float(where["1", "middle"]["x"]), abs=0.1)
    assert spots[1][1] == pytest.approx(float(where["1", "end"]["y"]) - 6, abs=0.1)
    assert spots[0][1] == pytest.approx(float(where["0", "end"]["y"]) - 6, abs=0.1)
    assert spots[2][1] == pytest.approx((spots[0][1] + spots[1][1]) / 2, abs=0.1)


def test_higher_values_are_drawn_higher():
    (spots,) = corners(chart({"cam": [(0, 1.0), (1, 2.0), (2, 3.0)]}))
    assert spots[0][1] > spots[1][1] > spots[2][1]


@pytest.mark.parametrize("gap", [None, float("nan"), float("inf")])
def test_missing_value_breaks_the_curve(gap):
    root = chart({"cam": [(0, 1.0), (1, 0.5), (2, gap), (3, 0.2), (4, 0.1), (5, gap), (6, 1.0)]})
    assert [len(spots) for spots in corners(root)] == [2, 2]
    assert len(list(root.iter(f"{SVG}circle"))) == 1


@pytest.mark.parametrize("value", [0.0, 3.0, -1e-9, 1e12])
def test_flat_curve_lies_inside_the_chart(value):
    (spots,) = corners(chart({"cam": [(0, value), (1, value)]}))
    assert all(44 < y < 340 for _, y in spots)


@pytest.mark.parametrize(("low", "high"), [(0.013, 0.987), (-3.0, 1e6), (1e-7, 2e-7), (5, 5.001)])
def test_ticks_are_few_and_cover_the_values(low, high):
    root = chart({"cam": [(0, low), (1, high)]})
    ends = [e for e in root.iter(f"{SVG}text") if e.attrib.get("text-anchor") == "end"]
    assert 3 <= len(ends) <= 8
    (spots,) = corners(root)
    assert all(43.9 <= y <= 340.1 for _, y in spots)


def test_words_are_escaped_and_control_characters_dropped():
    root = chart({"a<b&c": [(0, 1.0), (1, 2.0)]}, title='<script>"x"</script>', y_label="a\x00b")
    assert '<script>"x"</script>' in words_of(root)
    assert "a<b&c" in words_of(root)
    assert "a b" in words_of(root)
    assert not list(root.iter(f"{SVG}script"))


def test_every_curve_has_its_own_pen_and_a_name():
    series = {f"method {n}": [(0, 1.0 * n), (1, 2.0 * n)] for n in range(16)}
    root = chart(series)
    pens = {
        (line.attrib["stroke"], line.attrib["stroke-dasharray"])
        for line in root.iter(f"{SVG}polyline")
    }
    assert len(pens) == 16
    assert set(series) <= set(words_of(root))


def test_chart_without_a_finite_point_is_refused():
    with pytest.raises(DataError, match="no finite point to draw in 'Deletion'"):
        chart({"cam": [(0, None)]})


def test_data_uri_holds_the_picture():
    kind, _, content = svg_data_uri("<svg>ä</svg>").partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(content).decode() == "<svg>ä</svg>"
