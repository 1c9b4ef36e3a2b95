"""Tables of pictures as a notebook shows them, and lines of text that fit a screen."""

__all__ = ["Cell", "cut_lines", "html_table"]

import html
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
from jaxtyping import UInt8

from figureground.maps.image_files import page_picture

_LONGEST = 320  # pixels
_WIDTH = 100  # letters


@dataclass(frozen=True)
class Cell:
    """A picture in a table.

    Args:
        picture: Red, green, blue.
        title: What it is.
        span: How many rows it stands beside.
        problem: What is wrong with it, or an empty text.
    """

    picture: UInt8[np.ndarray, "H W 3"]
    title: str
    span: int = 1
    problem: str = ""

    @property
    def as_html(self) -> str:
        """The cell; of a small picture every pixel is a square."""
        small = max(self.picture.shape[:2]) <= _LONGEST // 2
        style = f"width: 13rem; image-rendering: {'pixelated' if small else 'auto'}"
        told = f'<br><span style="color: #b35900">{html.escape(self.problem)}</span>'
        picture = (
            f'<img alt="{html.escape(self.title)}" style="{style}" '
            f'src="{page_picture(self.picture, _LONGEST)}">{told if self.problem else ""}'
        )
        style = "max-width: 13rem; vertical-align: top"
        return f'<td rowspan="{self.span}" style="{style}">{picture}</td>'


def html_table(
    heads: Sequence[str], rows: Sequence[Sequence[Cell | str]], below: Sequence[str]
) -> str:
    """A table that needs nothing else.

    Args:
        heads: Of the columns.
        rows: Pictures, and texts of one or two lines.
        below: Sentences.

    Returns:
        HTML.
    """
    top = "".join(f"<th>{html.escape(head)}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(_cell(one) for one in row)}</tr>" for row in rows)
    sentences = "".join(f"<p>{html.escape(one)}</p>" for one in below)
    return f"<table><tr>{top}</tr>{body}</table>{sentences}"


def cut_lines(lines: Sequence[str], most: int) -> list[str]:
    """The first lines, each cut to 100 characters, and how many there are beyond.

    Args:
        lines: All lines.
        most: How many are shown.

    Returns:
        At most one line more than that.

    Examples:
        >>> cut_lines(["a", "b", "c"], 1)
        ['a', 'and 2 more']
    """
    cut = [shorten(line, _WIDTH, placeholder=" ...") for line in lines[:most]]
    return cut + [f"and {len(lines) - most} more"] * (len(lines) > most)


def _cell(one: Cell | str) -> str:
    """A picture or a heading."""
    if isinstance(one, Cell):
        return one.as_html
    return f"<th style='vertical-align: top'>{'<br>'.join(html.escape(line) for line in one.splitlines())}</th>"
