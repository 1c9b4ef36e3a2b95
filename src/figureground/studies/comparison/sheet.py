"""All rows of a picture sheet as one picture."""

__all__ = ["joined"]

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from figureground.base.errors import DataError
from figureground.studies.comparison.pictures import PictureRow

_GAP = 6
_HEAD = 18


def joined(rows: Sequence[PictureRow]) -> UInt8[np.ndarray, "H W 3"]:
    """Rows below one another on white, the titles of the columns above.

    Args:
        rows: At least one; all with the same columns.

    Returns:
        The picture.

    Raises:
        DataError: There are no rows.
    """
    if not rows:
        raise DataError("no pictures to lay side by side")
    titles = list(rows[0].cells)
    widths = [max(row.cells[title].shape[1] for row in rows) for title in titles]
    heights = [max(cell.shape[0] for cell in row.cells.values()) for row in rows]
    size = (sum(widths) + _GAP * (len(widths) - 1), _HEAD + sum(heights) + _GAP * len(heights))
    canvas = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(canvas)
    lefts = np.cumsum([0, *(width + _GAP for width in widths)])[:-1].tolist()
    tops = (_HEAD + np.cumsum([0, *(height + _GAP for height in heights)])[:-1]).tolist()
    for title, left, width in zip(titles, lefts, widths, strict=True):
        pen.text((left + 2, 3), _shortened(pen, title, width - 4), fill="black")
        for row, top in zip(rows, tops, strict=True):
            canvas.paste(Image.fromarray(row.cells[title]), (left, top))
    return np.array(canvas)


def _shortened(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """As much of a title as fits; the font has no letters beyond Latin-1."""
    plain = text.encode("latin-1", "replace").decode("latin-1")
    while plain and pen.textlength(plain) > width:
        plain = plain[:-1]
    return plain
