"""Images inside tar files."""

__all__ = ["images_in_tar", "tar_members"]

import tarfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.places import Member
from figureground.base.storage import RemoteFile, opened
from figureground.data.cached import kept
from figureground.data.decoding import is_image_name

_BLOCK = 512
_AT_ONCE = 2**14  # bytes of a file in a storage: a header and small members behind it


def images_in_tar(path: Path | RemoteFile) -> list[Member]:
    """The images of a tar file, whatever else lies in it.

    Args:
        path: The tar file. Where the images of one in a storage lie is kept in ``cache_folder()``: to find out takes a
            request an image.

    Returns:
        Their places, in the order of the file.

    Raises:
        DataError: As for ``tar_members``.
    """
    if isinstance(path, Path):
        return _images(path)
    found = kept(path, lambda: [(one.name, one.offset, one.size) for one in _images(path)])
    return [Member(path, name, offset, size) for name, offset, size in found]


def _images(path: Path | RemoteFile) -> list[Member]:
    return [one for one, _ in tar_members(path, is_image_name, links=True)]


def tar_members(
    path: Path | RemoteFile,
    wanted: Callable[[str], bool],
    *,
    is_small: Callable[[str], bool] = lambda _: False,
    links: bool = False,
) -> Iterator[tuple[Member, bytes | None]]:
    """Members of a tar file and where they lie, found by one pass over the headers.

    Args:
        path: The tar file, here or in a storage; a compressed one cannot be read by place.
        wanted: Whether a member is, by its name.
        is_small: Whether the content of one that is wanted is read in passing.
        links: Give a link as an empty member, which whoever decodes it will name, instead of refusing the file.

    Yields:
        A member, and its content or None.

    Raises:
        DataError: The file cannot be read, is no tar file or cut short, or a member is a link.
    """
    try:
        with _opened(path) as file:
            for one in _headers(path, file):
                if one.isdir() or not wanted(one.name):
                    continue
                is_whole = one.isreg() and not one.issparse()
                if not is_whole and not links:
                    raise DataError(f"{path}: {one.name}: a link, not the image or label itself")
                content = None
                if is_small(one.name):
                    file.seek(one.offset_data)
                    content = file.read(one.size)
                yield Member(path, one.name, one.offset_data, one.size if is_whole else 0), content
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _opened(path: Path | RemoteFile) -> AbstractContextManager[Any]:
    return opened(path, _AT_ONCE) if isinstance(path, RemoteFile) else path.open("rb", buffering=0)


def _headers(
    path: Path | RemoteFile,
    file: Any,  # noqa: ANN401 - a file here or in a storage
) -> Iterator[tarfile.TarInfo]:
    """What the headers say, each once; the end must be marked, or the file is cut short."""
    size = path.size if isinstance(path, RemoteFile) else path.stat().st_size
    last, begin = "its beginning", 0
    try:
        tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - its file is not ours to close
        tar.offset = 0
        while True:
            begin = file.seek(tar.offset)
            one = tarfile.TarInfo.fromtarfile(tar)
            last = one.name
            if tar.offset > size:
                raise DataError(f"{path} is cut short: {last} does not end in it")
            yield one
    except tarfile.HeaderError as error:
        file.seek(begin)
        if file.read(_BLOCK) != bytes(_BLOCK):
            raise DataError(f"{path} is cut short or damaged after {last}: {error}") from error
    except tarfile.TarError as error:
        raise DataError(f"{path} is no tar file, or a compressed one: {error}") from error
