"""Which file an annotation means by the name of an image."""

__all__ = ["ImageFinder"]

import os
from collections.abc import Sequence
from pathlib import Path

from figureground.base.errors import DataError
from figureground.base.storage import RemoteFile, is_url, local_path
from figureground.data.decoding import IMAGE_EXTENSIONS
from figureground.data.finding import find_images


class ImageFinder:
    """Looks for images by name, with or without extension, in a list of folders.

    Args:
        roots: Where to look, the first first.

    Raises:
        DataError: There is no folder to look in.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        if not roots:
            raise DataError("no folder of images is known; name it with 'images'")
        self.roots = tuple(roots)
        self._stems: dict[Path, dict[str, Path]] = {}
        self._url = ""
        self._listed: dict[str, RemoteFile] = {}

    @classmethod
    def beside(cls, source: Path, images: Path | str | None) -> "ImageFinder":
        """A finder for annotations of which only the place is known.

        Args:
            source: The annotation file or folder.
            images: The folder of images, or its URL, which is listed once; where None, the source's own folder,
                ``images`` inside and beside it and ``JPEGImages`` beside it are searched.

        Returns:
            The finder.

        Raises:
            DataError: ``images`` is not a folder, or its storage cannot be reached or refuses.
        """
        if isinstance(images, str) and is_url(images) and local_path(images) is None:
            return cls._at_url(images.rstrip("/"))
        if images is not None:
            place = (local_path(images) if isinstance(images, str) else None) or Path(images)
            if not place.is_dir():
                raise DataError(f"no folder of images at {images}")
            return cls([place])
        folder = source if source.is_dir() else source.parent
        beside = folder.absolute().parent
        return cls([folder, folder / "images", beside / "images", beside / "JPEGImages"])

    @classmethod
    def _at_url(cls, url: str) -> "ImageFinder":
        found = cls([Path()])
        found._url = url
        for one in find_images(url, recursive=True):
            if isinstance(one, RemoteFile):
                inside = one.url[len(url) + 1 :]
                found._listed[inside] = one
                found._listed.setdefault(inside.rpartition(".")[0], one)
        return found

    def find(self, name: str) -> Path | RemoteFile:
        """The image of this name.

        Args:
            name: Path relative to a root, or absolute; the extension may be missing.

        Returns:
            The file; where there is none, the place where it was expected first.
        """
        if self._url:
            plain = name.replace("\\", "/").removeprefix("./")
            return self._listed.get(plain) or RemoteFile(f"{self._url}/{plain}", 0, "")
        for spelled in dict.fromkeys((name, name.replace("\\", "/"))):  # as Windows writes paths
            for root in self.roots:
                path = root / spelled
                if path.suffix.lower() in IMAGE_EXTENSIONS and os.path.isfile(path):  # noqa: PTH113 - see below
                    return path
                if path.name in self._by_stem(path.parent):
                    return self._by_stem(path.parent)[path.name]
        return self.roots[0] / name

    def _by_stem(self, folder: Path) -> dict[str, Path]:
        """The images of a folder by their names without extension, listed once."""
        if folder not in self._stems:
            # of a name that no file can have, Path.is_dir raises
            is_there = os.path.isdir(folder)  # noqa: PTH112
            entries = sorted(folder.iterdir(), reverse=True) if is_there else []
            images = [path for path in entries if path.suffix.lower() in IMAGE_EXTENSIONS]
            self._stems[folder] = {path.stem: path for path in images}
        return self._stems[folder]
