"""Where an encoded image lies: in a file of its own, here or at a URL, or inside a larger file."""

__all__ = ["Member", "Place", "common_folder", "file_of", "is_inside", "located"]

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from figureground.base.errors import DataError
from figureground.base.storage import RemoteFile, read


@dataclass(frozen=True, slots=True)
class Member:
    """One encoded image inside a larger file. It holds no open file: any thread or process may read it.

    Args:
        file: The user's file, which is not to change while it is used.
        name: Of the image in it.
        offset: Where its bytes begin in ``store``.
        size: How many they are.
        store: The file that its bytes are read from; ``file`` itself where None.
    """

    file: Path | RemoteFile
    name: str
    offset: int
    size: int
    store: Path | None = None

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"

    def read(self) -> bytes:
        """The encoded image.

        Returns:
            What a file of its own would hold; less where the larger file is cut short.

        Raises:
            DataError: The larger file cannot be read.
        """
        store = self.store or self.file
        if not self.size:
            return b""
        if isinstance(store, RemoteFile):
            return read(store.url, self.offset, self.offset + self.size)
        try:
            with store.open("rb", buffering=0) as file:
                file.seek(self.offset)
                return file.read(self.size)
        except OSError as error:
            hint = "" if self.store is None else f", the copy of {self.file} in the cache"
            raise DataError(f"cannot read {store}{hint}: {error.strerror or error}") from error


Place: TypeAlias = Path | RemoteFile | Member
"""Where an encoded image is: in a file of its own, or in a larger one."""


def file_of(place: Place) -> Path | RemoteFile:
    """The file that an image is in.

    Args:
        place: Where it is.

    Returns:
        Its own file, or the larger one.
    """
    return place.file if isinstance(place, Member) else place


def located(place: Place) -> str:
    """A place as text that is the same however the place is written.

    Args:
        place: Where an image is.

    Returns:
        An absolute path or a URL, with the image's name behind it where the file holds many.
    """
    if isinstance(place, Member):
        return f"{located(place.file)}/{place.name}"
    if isinstance(place, RemoteFile):
        return place.url
    return os.path.abspath(place)  # noqa: PTH100 - resolve() would follow links


def is_inside(place: Place, folder: Path) -> bool:
    """Whether an image lies in a folder of this machine, at any depth.

    Args:
        place: Where the image is.
        folder: Which folder.

    Returns:
        Whether it does; links are not followed.
    """
    file = file_of(place)
    return isinstance(file, Path) and folder.absolute() in file.absolute().parents


def common_folder(files: Iterable[str]) -> str:
    """The deepest folder that holds all files.

    Args:
        files: Paths or URLs.

    Returns:
        The folder; empty where there is none.

    Examples:
        >>> common_folder(["photos/cats/a.jpg", "photos/dogs/b.jpg"]), common_folder(["a", "/b"])
        ('photos', '')
        >>> common_folder(["s3://photos/a/1.jpg", "s3://photos/a-b/1.jpg"])
        's3://photos'
    """
    shared: str | None = None
    for file in files:
        parent = os.path.dirname(file)  # noqa: PTH120 - or a URL, or a name that was saved on another machine
        if shared is None or shared == parent:
            shared = parent
        elif not shared or not parent or os.path.isabs(shared) != os.path.isabs(parent):  # noqa: PTH117
            return ""
        elif "://" in shared:
            pairs = zip(shared.split("/"), parent.split("/"), strict=False)
            same = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
            shared = "/".join(same) if len(same) > 2 else ""  # the bucket at least
        else:
            shared = os.path.commonpath([shared, parent])
    return shared or ""
