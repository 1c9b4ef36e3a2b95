"""Many small images on one page, to be looked at."""

__all__ = ["contact_sheet"]

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

_LINE = 14  # pixels of a line of text


def contact_sheet(rows: Sequence[tuple[str, Sequence[Image.Image]]], *, side: int = 72) -> bytes:
    """Rows of images, each under its title.

    Args:
        rows: Title and images.
        side: Of the square that each image is fitted into, pixels.

    Returns:
        A PNG file.
    """
    widest = max((len(images) for _, images in rows), default=0)
    longest = max((len(title) for title, _ in rows), default=0)
    width = max(7 * longest, widest * (side + 2), 1)
    sheet = Image.new("RGB", (width, max(1, len(rows)) * (side + _LINE + 6)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (title, images) in enumerate(rows):
        top = number * (side + _LINE + 6)
        pen.text((2, top), title.encode("ascii", "replace").decode(), fill="black")
        for column, image in enumerate(images):
            scale = side / max(image.size)
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            sheet.paste(image.resize(size), (column * (side + 2), top + _LINE))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()
