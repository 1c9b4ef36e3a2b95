"""Boxes from a folder of mask images."""

__all__ = ["box_around", "looks_like_masks", "read_masks"]

from pathlib import Path

import numpy as np

from figureground.base.errors import ImageError
from figureground.data.annotations.entries import MaskFiles, Problem, RawEntry
from figureground.data.annotations.image_finder import ImageFinder
from figureground.data.finding import natural_key


def looks_like_masks(source: Path) -> bool:
    """Whether this is a folder of PNG files, at any depth.

    Args:
        source: A file or folder.

    Returns:
        True if there is at least one.
    """
    return source.is_dir() and any(source.rglob("*.[pP][nN][gG]"))


def read_masks(source: Path, finder: ImageFinder) -> tuple[list[RawEntry], list[Problem]]:
    """One entry for each mask, in natural order, with one box around all of its pixels.

    A mask belongs to the image at the same relative place with the same name but for the
    extension. Inside a folder, the folder's name is the label. Pixels that are not black are
    marked.

    Args:
        source: The folder.
        finder: Where the images are looked for; the masks' own folder is left aside.

    Returns:
        Raw entries, and the masks that could not be decoded.

    Raises:
        DataError: There is no other folder to look for images in.
    """
    images = ImageFinder([root for root in finder.roots if root != source])
    entries: list[RawEntry] = []
    problems: list[Problem] = []
    for file in sorted(source.rglob("*.[pP][nN][gG]"), key=natural_key):
        place = file.relative_to(source)
        label = place.parent.name or None
        files = MaskFiles((file,))
        try:
            mask = files.decode()
        except ImageError as error:
            problems.append(Problem("unreadable-file", str(file), f"left out: {error.reason}"))
            continue
        path = images.find(str(place.with_suffix("")))
        size = (mask.shape[1], mask.shape[0])
        entries.append(RawEntry(str(file), path, label, box_around(mask), size, files))
    return entries, problems


def box_around(mask: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """The box around everything marked.

    Args:
        mask: ``(H, W)``; 1 where marked.

    Returns:
        One box, xyxy, half-open; none where nothing is marked.
    """
    rows, columns = (np.flatnonzero((mask == 1).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return ()
    return ((float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)),)
