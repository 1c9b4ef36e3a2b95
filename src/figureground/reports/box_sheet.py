"""A contact sheet of images whose objects are to be marked by hand, with rulers in pixels."""

__all__ = ["write_box_sheet"]

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from figureground.base.errors import DataError, ImageError
from figureground.base.record import write_atomically
from figureground.data import decode_image
from figureground.maps.image_files import thumbnail
from figureground.reports.pages import asset, page_template

_LONGEST, _TICKS = 480, 4
_COLUMNS = {"path", "label", "x0", "y0", "x1", "y1"}


def write_box_sheet(folder: Path) -> Path:
    """Write ``ask_boxes.html``: the images of ``ask_boxes.csv``, with their sizes and rulers beside them.

    The page holds its styles and thumbnails and asks nothing from the network; it has no script.

    Args:
        folder: Holds ``ask_boxes.csv``; paths in it are absolute, or relative to the folder.

    Returns:
        Path of the page.

    Raises:
        DataError: The list is missing or has other columns, or the page cannot be written.
    """
    listed = folder / "ask_boxes.csv"
    try:
        with listed.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {listed}: {error}") from error
    if rows and not set(rows[0]) >= _COLUMNS:
        raise DataError(f"{listed} lacks columns: {', '.join(sorted(_COLUMNS - set(rows[0])))}")
    cards = [_card(folder, row, number) for number, row in enumerate(rows, start=2)]
    page = page_template("box_sheet.html.j2").render(
        cards=cards, listed=listed.name, style=asset("report.css")
    )
    return write_atomically(folder / "ask_boxes.html", page.encode("utf-8", errors="replace"))


def _card(folder: Path, row: dict[str, str], line: int) -> dict[str, Any]:
    """One image; without a picture where it cannot be decoded."""
    path = Path(row["path"])
    card = {"line": line, "name": path.name, "label": row["label"], "picture": "", "why": ""}
    try:
        image = decode_image(folder / path)
    except ImageError as error:
        return card | {"why": error.reason}
    factor = _LONGEST / max(image.size)
    large = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    drawn = image.convert("RGB").resize(large, Image.Resampling.BILINEAR)
    return card | {
        "width": image.width,
        "height": image.height,
        "across": [round(at * image.width / _TICKS) for at in range(_TICKS + 1)],
        "down": [round(at * image.height / _TICKS) for at in range(_TICKS + 1)],
        "picture": thumbnail(np.asarray(drawn), _LONGEST),
    }
