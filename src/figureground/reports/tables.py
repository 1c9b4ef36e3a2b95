"""Tables of a record as Markdown, CSV and the cells of a page."""

__all__ = ["Table", "aligned_texts", "as_csv", "as_markdown", "cell_text", "checked_table"]

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from figureground.base.errors import DataError
from figureground.base.printable import printable

Cell = str | float | int | bool | None


@dataclass(frozen=True)
class Table:
    """Rows of numbers and words under named columns.

    Args:
        columns: One name per column.
        rows: One tuple per row, as long as ``columns``; None stands for a value that is missing.
        title: A few words.
        caption: What the numbers mean, their unit and direction.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    caption: str = ""


def as_markdown(table: Table) -> str:
    r"""The table in GitHub's Markdown, floats with four significant digits.

    Columns that hold numbers only are aligned to the right. Text is escaped, so a cell can neither
    end its row nor bring markup.

    Args:
        table: The table.

    Returns:
        Title, table and caption, each where present; ends with a line feed.

    Raises:
        DataError: A row is not as long as the columns.

    Examples:
        >>> print(as_markdown(Table(("method", "drop"), (("cam", 0.25), ("a|b", None)))), end="")
        | method | drop |
        | --- | ---: |
        | cam | 0.25 |
        | a\|b | – |
    """
    checked = _even(table)
    lines = [_markdown_row(checked.columns), _markdown_row(_alignments(checked), escape=False)]
    lines += [_markdown_row([cell_text(cell) for cell in row]) for row in checked.rows]
    title = [f"### {_markdown_text(table.title)}", ""] if table.title else []
    caption = ["", _markdown_text(table.caption)] if table.caption else []
    return "\n".join([*title, *lines, *caption]) + "\n"


def as_csv(table: Table) -> str:
    """The columns and rows as comma-separated values, numbers in full precision.

    Args:
        table: The table; its title and caption are left out.

    Returns:
        Lines ending with a line feed; a missing value is an empty field.

    Raises:
        DataError: A row is not as long as the columns.

    Examples:
        >>> print(as_csv(Table(("method", "drop"), (("cam, old", 1 / 3),))), end="")
        method,drop
        "cam, old",0.3333333333333333
    """
    checked = _even(table)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(checked.columns)
    writer.writerows(checked.rows)
    return text.getvalue()


def cell_text(cell: Cell) -> str:
    """A cell as people read it.

    Args:
        cell: Text, number, truth value or None.

    Returns:
        Floats with four significant digits, whole numbers in groups of three, ``yes`` or ``no``,
        ``–`` for a missing value.

    Examples:
        >>> [cell_text(cell) for cell in (0.123456, 12000, 50000.0, True, None, "cam")]
        ['0.1235', '12,000', '50,000', 'yes', '–', 'cam']
    """
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if 1000 <= abs(cell) < 1e15 else f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


def aligned_texts(table: Table) -> list[list[str]]:
    """The cells as people read them, the decimals of a column below one another.

    Args:
        table: The table.

    Returns:
        Rows of texts. Floats of a column have as many decimals as its largest one needs for four significant digits,
        four at most; what would be read as zero and is none is given as less than the last decimal.

    Examples:
        >>> aligned_texts(Table(("a", "b"), ((61.25, "x"), (4.0, None), (0.0001, True))))
        [['61.25', 'x'], ['4.00', '–'], ['<0.01', 'yes']]
    """
    columns = [_column_texts(column) for column in zip(*table.rows, strict=True)]
    return [list(row) for row in zip(*columns, strict=True)]


def _column_texts(column: Sequence[Cell]) -> list[str]:
    """One column; without floats as single cells are."""
    sizes = [abs(cell) for cell in column if isinstance(cell, float) and math.isfinite(cell)]
    largest = max(sizes, default=0.0)
    if not 1e-3 <= largest < 1e6:
        return [cell_text(cell) for cell in column]
    digits = min(4, max(0, 3 - math.floor(math.log10(largest))))
    return [
        _fixed(cell, digits) if isinstance(cell, float) and math.isfinite(cell) else cell_text(cell)
        for cell in column
    ]


def _fixed(value: float, digits: int) -> str:
    """So many decimals."""
    text, least = f"{value:,.{digits}f}", 10.0**-digits
    if float(text.replace(",", "")) != 0:
        return text.replace("-", "−")
    return text.lstrip("-") if value == 0 else f"{'<' if value > 0 else '>−'}{least:.{digits}f}"


def checked_table(content: Any) -> Table:  # noqa: ANN401 - whatever the JSON held
    """A table from a record's JSON object with ``columns``, ``rows`` and perhaps title and caption.

    Args:
        content: The parsed object.

    Returns:
        The table.

    Raises:
        DataError: The object is not a table, or a row is not as long as the columns.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("columns"), Sequence):
        raise DataError("a table of a record needs 'columns' and 'rows'")
    rows = content.get("rows", ())
    if not isinstance(rows, Sequence) or not all(isinstance(row, list | tuple) for row in rows):
        raise DataError("the rows of a table are lists of cells")
    table = Table(
        columns=tuple(str(name) for name in content["columns"]),
        rows=tuple(tuple(_cell(cell) for cell in row) for row in rows),
        title=str(content.get("title") or ""),
        caption=str(content.get("caption") or ""),
    )
    return _even(table)


def _cell(value: object) -> Cell:
    """What a cell may hold; anything else as text."""
    return value if value is None or isinstance(value, str | float | int) else str(value)


def _even(table: Table) -> Table:
    """The table, unless a row is too short or too long."""
    for number, row in enumerate(table.rows, start=1):
        if len(row) != len(table.columns):
            raise DataError(
                f"row {number} of table '{table.title}' has {len(row)} cells "
                f"for {len(table.columns)} columns"
            )
    return table


def _alignments(table: Table) -> list[str]:
    """Markdown's second line: right for columns of numbers."""
    columns = zip(*table.rows, strict=True) if table.rows else iter(() for _ in table.columns)
    return ["---:" if _numeric(column) else "---" for column in columns]


def _numeric(column: Sequence[Cell]) -> bool:
    """Whether a column holds numbers, gaps aside."""
    present = [cell for cell in column if cell is not None]
    return bool(present) and all(
        isinstance(cell, int | float) and not isinstance(cell, bool) for cell in present
    )


def _markdown_row(cells: Sequence[str], *, escape: bool = True) -> str:
    texts = [_markdown_text(cell) for cell in cells] if escape else cells
    return "| " + " | ".join(texts) + " |"


def _markdown_text(text: str) -> str:
    """Text without line breaks, markup or cell borders."""
    flat = printable(" ".join(text.split()))
    return re.sub(r"([\\|`*\[\]])", r"\\\1", flat).replace("<", "&lt;")
