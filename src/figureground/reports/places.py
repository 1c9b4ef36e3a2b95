"""Text for pages: names without the folders of the machine they were made on, numbers that no line end parts."""

__all__ = ["below", "common_folder", "held_together", "without_folders"]

import os
import re
from collections.abc import Iterable

_PER_CENT = re.compile(r"(\d) %")
_FOLDERS = re.compile(r"(?<![\w.:/~%-])(?:/(?:[\w.@+~%=-]+/)+|[A-Za-z]:\\(?:[\w.@+~%=-]+\\)+)")


def common_folder(paths: Iterable[str]) -> str:
    """The deepest folder that holds all files.

    Args:
        paths: Of the files.

    Returns:
        The folder; empty where there is none.

    Examples:
        >>> (
        ...     common_folder(["photos/cats/a.jpg", "photos/dogs/b.jpg"]),
        ...     common_folder(["a.jpg", "/b.jpg"]),
        ... )
        ('photos', '')
    """
    folder: str | None = None
    for path in paths:
        parent = os.path.dirname(path)  # noqa: PTH120 - a name that was saved, perhaps of another machine
        if folder is None:
            folder = parent
        elif folder != parent:
            if not folder or not parent or os.path.isabs(folder) != os.path.isabs(parent):  # noqa: PTH117
                return ""
            folder = os.path.commonpath([folder, parent])
    return folder or ""


def below(folder: str, path: str) -> str:
    """What a file is called below a folder.

    Args:
        folder: As ``common_folder`` finds it.
        path: Of the file.

    Returns:
        The rest of its path; the name of the file alone where that would tell of folders above.

    Examples:
        >>> (
        ...     below("photos", "photos/cats/a.jpg"),
        ...     below("", "/pictures/me/a.jpg"),
        ...     below("", "cats/a.jpg"),
        ... )
        ('cats/a.jpg', 'a.jpg', 'cats/a.jpg')
    """
    start = folder.rstrip(os.sep) + os.sep
    if folder.strip(os.sep) and path.startswith(start):
        return path[len(start) :]
    return os.path.basename(path) if os.path.isabs(path) else path  # noqa: PTH117, PTH119


def without_folders(text: str) -> str:
    """Text whose absolute paths are cut down to their last part.

    Args:
        text: A sentence or a command.

    Returns:
        The text.

    Examples:
        >>> without_folders("explain /pictures/me/photos --model hf:google/vit --out out/a")
        'explain photos --model hf:google/vit --out out/a'
    """
    return _FOLDERS.sub("", text)


def held_together(text: str) -> str:
    """Text in which no line ends between a number and its per cent sign.

    Args:
        text: A sentence.

    Returns:
        The text, with a space that does not break.

    Examples:
        >>> len(held_together("58.8 % of 7 images").split(" "))
        4
    """
    return _PER_CENT.sub("\\1\N{NO-BREAK SPACE}%", text)
