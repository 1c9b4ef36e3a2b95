"""Where a photo is, as an identity and as text."""

__all__ = ["photo_id", "shown"]

import hashlib
import os
from pathlib import Path


def photo_id(path: Path) -> str:
    """Stands for a photo's place: the same however its path is written, different for every place.

    Args:
        path: The photo.

    Returns:
        Twelve hexadecimal digits.
    """
    place = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
    return hashlib.sha256(os.fsencode(place)).hexdigest()[:12]


def shown(path: Path) -> str:
    """A path as text that can be written anywhere; bytes that are no text become marks.

    Args:
        path: Any path.

    Returns:
        The text.
    """
    return os.fsencode(path).decode("utf-8", "replace")
