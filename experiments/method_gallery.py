"""The picture of docs/methods.md: every method on the same photographs, from folders that ``explain`` left.

    python experiments/method_gallery.py OUT.webp FOLDER [FOLDER ...]

The folders hold ``--overlay network`` pictures of the same images; names of the columns are read from the files.
"""

__all__ = ["main"]

import sys
from pathlib import Path

from PIL import Image, ImageDraw

_SIDE, _GAP, _TITLE, _COLUMNS = 132, 4, 16, 7


def main(target: Path, folders: list[Path]) -> None:
    """Lay the pictures out and save them.

    Args:
        target: The file.
        folders: In the order of the columns; a folder's name stands in brackets where there are several.
    """
    columns: dict[str, dict[str, Path]] = {}
    for folder in folders:
        for path in sorted(
            (folder / "images").glob("*.png"), key=lambda one: one.stat().st_mtime_ns
        ):
            stem, _, rest = path.name.partition(".")
            method = rest.removesuffix(".png").removesuffix(".0")
            title = method if folder is folders[0] else f"{method}, {folder.name}"
            columns.setdefault(title, {})[stem.rsplit("-", 1)[0]] = path
    rows = list(dict.fromkeys(stem for column in columns.values() for stem in column))
    block = _TITLE + len(rows) * (_SIDE + _GAP)
    lines = -(-len(columns) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * (_SIDE + _GAP), lines * block), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (title, column) in enumerate(columns.items()):
        x, y = number % _COLUMNS * (_SIDE + _GAP), number // _COLUMNS * block
        pen.text((x, y + 2), title, fill="black")
        for row, stem in enumerate(rows):
            with Image.open(column[stem]) as picture:
                small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (x, y + _TITLE + row * (_SIDE + _GAP)))
    sheet.save(target, quality=82)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
