"""Tables of a record as Markdown, CSV and the cells of a page."""

import csv
import io

import pytest

from figureground.base.errors import DataError
from figureground.reports.tables import (
    Table,
    aligned_texts,
    as_csv,
    as_markdown,
    cell_text,
    checked_table,
)


def table() -> Table:
    return Table(
        columns=("method", "drop", "seen"),
        rows=(("grad-cam", 1 / 3, 12000), ("eigen-cam", None, 7)),
        title="Faithfulness",
        caption="Lower is better.",
    )


def test_markdown_has_title_aligned_columns_rows_and_caption():
    assert as_markdown(table()).splitlines() == [
        "### Faithfulness",
        "",
        "| method | drop | seen |",
        "| --- | ---: | ---: |",
        "| grad-cam | 0.3333 | 12,000 |",
        "| eigen-cam | – | 7 |",
        "",
        "Lower is better.",
    ]


def test_markdown_cell_can_neither_end_its_row_nor_bring_markup():
    hostile = Table(("name",), (("a|b\n| c <script>\\|",),))
    lines = as_markdown(hostile).splitlines()
    assert lines[2:] == [r"| a\|b \| c &lt;script>\\\| |"]


def test_column_of_truth_values_is_not_aligned_as_numbers():
    assert "| --- |" in as_markdown(Table(("increase",), ((True,),)))


def test_csv_reads_back_to_the_same_numbers():
    lines = list(csv.reader(io.StringIO(as_csv(table()))))
    assert lines[0] == ["method", "drop", "seen"]
    assert float(lines[1][1]) == 1 / 3
    assert lines[2] == ["eigen-cam", "", "7"]


@pytest.mark.parametrize("text", ['say "cam"', "a,b", "two\nlines", "ä"])
def test_csv_quotes_what_needs_it(text):
    written = as_csv(Table(("name",), ((text,),)))
    assert list(csv.reader(io.StringIO(written)))[1] == [text]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (0.000012345, "1.234e-05"),
        (-0.5, "-0.5"),
        (123456.7, "123,457"),
        (False, "no"),
        (0, "0"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("", ""),
    ],
)
def test_cell_is_written_as_people_read_it(cell, text):
    assert cell_text(cell) == text


@pytest.mark.parametrize("write", [as_markdown, as_csv])
def test_uneven_row_is_refused(write):
    with pytest.raises(DataError, match="row 2 of table 'T' has 1 cells for 2 columns"):
        write(Table(("a", "b"), ((1, 2), (3,)), title="T"))


def test_table_of_a_record_is_read():
    content = {"columns": ["a", "b"], "rows": [[1, None], ["x", [2]]], "title": "T"}
    assert checked_table(content) == Table(("a", "b"), ((1, None), ("x", "[2]")), title="T")


@pytest.mark.parametrize("content", [None, {}, {"columns": ["a"], "rows": ["x"]}, {"columns": 3}])
def test_what_is_no_table_is_refused(content):
    with pytest.raises(DataError, match="table"):
        checked_table(content)


def test_decimals_of_a_column_stand_below_one_another_and_no_number_is_shown_as_zero():
    rows = ((100.0, 0.5, 12, 1e-9), (-3.25, -1e-7, 1200, 2e-9), (0.0, 1e-7, None, 0.0))
    assert aligned_texts(Table(("a", "b", "c", "d"), rows)) == [
        ["100.0", "0.5000", "12", "1e-09"],
        ["−3.2", ">−0.0001", "1,200", "2e-09"],
        ["0.0", "<0.0001", "–", "0"],
    ]
