import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from figureground.base.errors import DataError
from figureground.reports.answers import answer_of
from figureground.reports.evaluation_report import write_evaluation_report

DOT = "data:image/png;base64,iVBORw0KGgo="


def make_record(folder: Path, **changes: object) -> None:
    table = {
        "title": "Localisation, %",
        "caption": "Per cent.",
        "columns": ["method", "box acc"],
        "rows": [["cam", 51.25], ["<i>theirs</i>", None]],
    }
    case = {"method": "cam", "kind": "worst", "name": "a.png", "label": "<b>", "overlap": 0.25}
    record = {
        "schema": 2,
        "kind": "localisation",
        "title": "Do the maps find the object?",
        "data": "some images",
        "images": 1200,
        "seconds": 3.5,
        "methods": {"cam": "CAM(), true class"},
        "options": {"post-processing": "no ReLU"},
        "problems": {"map-missing": 2},
        "examples_of_problems": ["a.png: no <file>"],
        "notes": ["read the baselines"],
        "tables": [table],
        "charts": [
            {"title": "Curve", "x_label": "x", "y_label": "y", "series": {"cam": [[0, 1], [1, 2]]}}
        ],
        "cases": [case | {"picture": DOT}, case | {"picture": "https://example.org/a.png"}],
    } | changes
    (folder / "record.json").write_text(json.dumps(record))


class Page(HTMLParser):
    """Tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_shows_tables_charts_cases_and_problems(tmp_path: Path):
    make_record(tmp_path)
    text = write_evaluation_report(tmp_path).read_text().replace("\xa0", " ")
    for part in (
        "Do the maps find the object?",
        "1,200",
        "51.25",
        "no ReLU",
        "map missing",
        "read the baselines",
    ):
        assert part in text
    page = Page(text)
    assert page.tags.count("table") == 1
    assert sum(address.startswith("data:image/svg+xml") for address in page.addresses) == 1
    assert page.addresses.count(DOT) == 1


ANSWER = {
    "sentences": ["CAM finds the object <better> than a box: 60.0 %.", "Of the others, worse: B."],
    "title": "How well each finds the object",
    "label": "images, %",
    "rows": [
        {"name": "CAM", "value": 60.0, "low": 50.0, "high": 70.0, "word": "better"},
        {"name": "<u>B", "value": 30.0, "low": 20.0, "high": 40.0, "word": "worse"},
        {"name": "broken", "value": float("nan"), "low": 0.0, "high": 1.0, "word": ""},
    ],
    "band": {"name": "a box in the centre", "value": 45.0, "low": 40.0, "high": 48.0, "word": ""},
    "better": "higher",
    "rule": "when",
    "names": {"cam": "Class activation <map>"},
}


def test_the_first_heading_is_the_answer_and_the_question_stands_above(tmp_path: Path):
    make_record(tmp_path, answer=ANSWER)
    text = write_evaluation_report(tmp_path).read_text().replace("\xa0", " ")
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", text)
    assert heading == "CAM finds the object &lt;better&gt; than a box: 60.0 %."
    assert "Of the others, worse: B." in text.partition("<main>")[0]
    assert "Do the maps find the object?" in text.partition("<h1")[0]
    assert "Class activation &lt;map&gt;" in text


def test_a_record_without_an_answer_is_headed_by_its_question(tmp_path: Path):
    make_record(tmp_path)
    text = write_evaluation_report(tmp_path).read_text().replace("\xa0", " ")
    assert re.findall(r"<h1[^>]*>(.*?)</h1>", text) == ["Do the maps find the object?"]
    assert "whisker" not in text.partition("<main>")[2]


def test_dots_whiskers_and_band_lie_where_the_ticks_say():
    figure = answer_of({"answer": ANSWER}, "?")["figure"]
    ticks = {float(text): at for at, text in figure["ticks"]}
    assert (ticks[20.0], ticks[70.0]) == (0.0, 100.0)
    first, second = figure["rows"]
    assert first["at"] == pytest.approx(80.0)
    assert (first["start"], first["width"]) == (pytest.approx(60.0), pytest.approx(40.0))
    assert second["at"] == pytest.approx(20.0)
    assert figure["band"]["start"] == pytest.approx(40.0)
    assert figure["band"]["width"] == pytest.approx(16.0)
    assert first["text"] == "60.0 (50.0 to 70.0)"


def test_a_number_without_an_interval_is_shown_without_one():
    rows = [{"name": "the first 20", "value": 91.0, "low": None, "high": None}]
    band = {"name": "all 300", "value": 2.0, "low": None, "high": None}
    figure = answer_of({"answer": {"rows": rows, "band": band}}, "")["figure"]
    assert (figure["rows"][0]["text"], figure["rows"][0]["width"]) == ("91.0", 0)
    assert figure["band"]["width"] == 0


def test_tables_are_folded_and_how_it_was_made_comes_last(tmp_path: Path):
    make_record(tmp_path, answer=ANSWER)
    text = write_evaluation_report(tmp_path).read_text().replace("\xa0", " ")
    opened = [part.partition(">")[0] for part in text.split("<details")[1:]]
    assert len(opened) >= 3
    assert not any("open" in one for one in opened)
    last = text.rpartition("<details")[2]
    assert "How it was made" in last
    assert "CAM, true class" in last
    assert "()" not in text.partition("<script>")[0]
    assert "post-processing" in last


def test_nothing_is_asked_of_the_network_and_one_script_runs(tmp_path: Path):
    make_record(tmp_path)
    page = Page(write_evaluation_report(tmp_path).read_text().replace("\xa0", " "))
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert page.tags.count("script") == 1  # which sorts tables


def test_words_of_the_record_are_no_markup(tmp_path: Path):
    make_record(tmp_path)
    text = write_evaluation_report(tmp_path).read_text().replace("\xa0", " ")
    assert "&lt;i&gt;theirs" in text
    assert not re.search(r"<i>|<b></b>|no <file>", text)


def test_tables_lie_beside_the_page_in_full_precision(tmp_path: Path):
    make_record(tmp_path)
    write_evaluation_report(tmp_path)
    (file,) = (tmp_path / "tables").iterdir()
    assert file.name == "01-localisation.csv"
    assert file.read_text() == "method,box acc\ncam,51.25\n<i>theirs</i>,\n"
    assert "| cam | 51.25 |" in (tmp_path / "tables.md").read_text()


def test_a_chart_without_points_says_so(tmp_path: Path):
    make_record(tmp_path, charts=[{"title": "Empty", "series": {}}])
    assert "no finite point to draw" in write_evaluation_report(tmp_path).read_text().replace(
        "\xa0", " "
    )


def test_records_of_other_evaluations_need_no_cases(tmp_path: Path):
    title = "Do the maps show what the model uses?"
    make_record(tmp_path, kind="faithfulness", title=title, cases=None)
    text = write_evaluation_report(tmp_path).read_text().replace("\xa0", " ")
    assert title in text
    assert "Worst and best" not in text


def test_another_schema_and_a_missing_record_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="cannot read"):
        write_evaluation_report(tmp_path)
    make_record(tmp_path, schema=1)
    with pytest.raises(DataError, match="schema 1; this version reads schema 2"):
        write_evaluation_report(tmp_path)
