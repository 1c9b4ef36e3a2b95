"""What is not in a pool, with a few of the images kept beside it for whoever wants to look."""

__all__ = ["example_files", "saved_examples", "write_png"]

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from figureground.base.record import write_atomically
from figureground.data.background.pool_record import LEFT_OUT_FOLDER, LeftOut
from figureground.data.background.screening import Dropped
from figureground.data.background.source import BackgroundSource, Concat

_EXAMPLES = 10


def saved_examples(
    folder: Path, dropped: Iterable[Dropped], *, mix: Concat, target: BackgroundSource | None
) -> tuple[LeftOut, ...]:
    """What was left out, by name; of each reason the first ten images are written to ``left-out/``.

    Args:
        folder: Of the pool.
        dropped: What was left out.
        mix: The sources.
        target: What was screened against, or None.

    Returns:
        The same with names and files.
    """
    found = []
    met: Counter[str] = Counter()
    for one in dropped:
        met[one.reason] += 1
        wanted = one.reason != "unreadable" and met[one.reason] <= _EXAMPLES
        files = _written(folder, one, mix=mix, target=target) if wanted else ()
        found.append(LeftOut(**asdict(one), name=_name(mix, one.row), images=files))
    return tuple(found)


def example_files(row: int) -> tuple[str, str]:
    """Names of the files of an image that was left out, and of what it matches.

    Args:
        row: Of the image in the mix.

    Returns:
        Both, relative to the pool's folder.
    """
    return f"{LEFT_OUT_FOLDER}/{row:06d}.png", f"{LEFT_OUT_FOLDER}/{row:06d}-match.png"


def write_png(path: Path, image: Image.Image) -> None:
    """Write an image as PNG, atomically.

    Args:
        path: Where; its folder is made.
        image: The image.
    """
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=1)
    write_atomically(path, content.getvalue())


def _written(
    folder: Path, one: Dropped, *, mix: Concat, target: BackgroundSource | None
) -> tuple[str, ...]:
    """Files of the image and of what it matches, where there is such."""
    name, match = example_files(one.row)
    images = {name: mix[one.row]}
    other = mix if one.reason == "repeated" else target
    if one.match is not None and other is not None:
        images[match] = other[one.match]
    for file, image in images.items():
        write_png(folder / file, Image.fromarray(np.ascontiguousarray(image)))
    return tuple(images)


def _name(mix: Concat, row: int) -> str:
    """Source, number in it, and original of an image."""
    part, inside = mix.place(row)
    return f"{mix.sources[part].name} {inside} ({Path(mix.group(row)).name})"
