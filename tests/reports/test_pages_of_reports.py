"""What all pages share: escaping templates, tables in files, charts."""

import csv
from pathlib import Path

from figureground.reports.pages import asset, chart_of, page_template, write_tables
from figureground.reports.tables import checked_table

TABLE = {
    "title": "One: two",
    "caption": "words",
    "columns": ["a", "b"],
    "rows": [["x", 1.5], ["y", None]],
}


def test_what_is_put_into_a_template_is_escaped():
    environment = page_template("comparison.html.j2").environment
    assert environment.from_string("{{ word }}").render(word="<script>") == "&lt;script&gt;"
    assert environment.from_string("{{ none|cell }}").render(none=None) != "None"


def test_no_page_names_a_folder_of_the_machine():
    environment = page_template("comparison.html.j2").environment
    template = environment.from_string("{{ text }} {{ text | explained }} {{ picture }}")
    picture = "data:image/png;base64,+/ab/cd=="
    page = template.render(text="of /pictures/me/my photos/a.jpg", picture=picture)
    assert page == f"of my photos/a.jpg of my photos/a.jpg {picture}"


def test_tables_are_written_as_markdown_and_as_csv_by_number_and_title(tmp_path: Path):
    write_tables(tmp_path, [checked_table(TABLE), checked_table(TABLE | {"title": "***"})])
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "01-one-two.csv",
        "02-table.csv",
    }
    with (tmp_path / "tables" / "01-one-two.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[-2:] == [["x", "1.5"], ["y", ""]]
    assert "One: two" in (tmp_path / "tables.md").read_text()


def test_a_chart_is_a_picture_and_an_empty_one_says_why():
    drawn = chart_of({"title": "t", "series": {"a": [[0, 1], [1, 2]]}, "caption": "c"})
    assert drawn["picture"].startswith("data:image/svg+xml;base64,")
    assert drawn["caption"] == "c"
    empty = chart_of({"title": "t", "series": {}, "caption": "c"})
    assert empty["picture"] == ""
    assert empty["caption"].startswith("c (")


def test_assets_are_text_of_the_package():
    assert "{" in asset("report.css")
