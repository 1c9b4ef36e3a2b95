"""Text for pages: names without the folders of the machine they were made on, numbers that no line end parts."""

__all__ = ["below", "held_together", "without_folders"]

import os
import re

_PER_CENT = re.compile(r"(\d) %")
_FOLDERS = re.compile(r"(?<![\w.:/~%-])(?:/(?:[\w.@+~%=-]+/)+|[A-Za-z]:\\(?:[\w.@+~%=-]+\\)+)")


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
