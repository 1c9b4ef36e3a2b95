"""Files at URLs: object storage (S3, Google Cloud Storage, Azure) and HDFS, through fsspec.

Credentials come from the environment, as the library of each storage reads it, and from nowhere else.
"""

__all__ = [
    "RemoteFile",
    "is_url",
    "local_path",
    "opened",
    "read",
    "remote_folder",
    "remote_matches",
    "remove",
    "write",
]

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard, TypeVar
from urllib.parse import unquote, urlsplit

from figureground.base.errors import DataError, FigureGroundError, ImageError

# what has to be installed for a scheme
_NEEDED = {
    "s3": "s3fs: pip install 'figureground[s3]'",
    "gs": "gcsfs: pip install gcsfs",
    "gcs": "gcsfs: pip install gcsfs",
    "az": "adlfs: pip install adlfs",
    "abfs": "adlfs: pip install adlfs",
    "hdfs": "pyarrow and the native library of Hadoop: pip install 'figureground[parquet]'",
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        # without them a storage that does not answer is told after a quarter of an hour
        "config_kwargs": {
            "connect_timeout": 10,
            "read_timeout": 20,
            "retries": {"mode": "standard", "total_max_attempts": 2},
            "max_pool_connections": 64,
        },
        "max_concurrency": 1,  # of parts of one file; more would ask for the size of every image first
    }
}
_WAITS = (0.5, 2.0, 8.0)  # seconds between the tries of a read or a write
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "mtime", "modified")
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, ValueError)
_MAKING = threading.Lock()

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file at a URL, as it was when it was listed.

    Args:
        url: Where it is.
        size: Bytes.
        version: Changes when the file does: what the storage calls its ETag, or a time of change.
    """

    url: str
    size: int
    version: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Its name without suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The end of its name, from the last dot."""
        return PurePosixPath(self.name).suffix

    @property
    def folder(self) -> str:
        """Its URL without its name."""
        return self.url.rpartition("/")[0]

    def read(self) -> bytes:
        """All of it.

        Returns:
            The bytes.

        Raises:
            ImageError: It is gone.
            DataError: The storage cannot be reached, or refuses.
        """
        try:
            return read(self.url)
        except DataError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise ImageError(self.url, "no such file any more") from error
            raise


def is_url(place: object) -> TypeGuard[str]:
    """Whether this is a URL and no path.

    Args:
        place: A path or text.

    Returns:
        Whether it is text that begins with a scheme.

    Raises:
        DataError: It begins with the scheme of a storage and a single slash.
    """
    if isinstance(place, str) and "://" in place:
        return True
    scheme, _, rest = str(place).partition(":/")
    if rest and scheme.lower() in _NEEDED:
        raise DataError(f"{place} is no URL; two slashes belong behind {scheme}:")
    return False


def local_path(url: str) -> Path | None:
    """The path of a ``file://`` URL.

    Args:
        url: Any.

    Returns:
        The path; None where the URL is of another scheme.
    """
    return Path(unquote(urlsplit(url).path)) if url.startswith("file://") else None


def remote_folder(url: str) -> tuple[list[str], list[RemoteFile]] | None:
    """What lies in a folder at a URL; what lies deeper is not listed.

    Args:
        url: Of the folder.

    Returns:
        URLs of its folders, and its files; None where there is a file at this URL, or nothing.

    Raises:
        DataError: The storage cannot be reached, or refuses.
    """
    system, place = _system(url)

    def listing() -> list[dict[str, Any]] | None:
        try:
            found: list[dict[str, Any]] = system.ls(place, detail=True, refresh=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found

    found = _tried(listing, url, verb="list")
    if found is None or [one["name"] for one in found] == [place]:
        return None  # object storage lists a file under its own name
    if any(one["name"] == f"{place}/" and one["type"] == "directory" for one in found):
        raise DataError(f"{url}//… holds files, and a folder without a name cannot be listed")
    return _sorted_out(url, found, own=f"{place}/")


def remote_matches(url: str) -> tuple[list[str], list[RemoteFile]]:
    """What a URL or a pattern stands for.

    Args:
        url: Of a file; or a pattern, in which ``*`` is anything but a slash and ``**`` anything.

    Returns:
        URLs of folders, and files; both empty where there is nothing.

    Raises:
        DataError: The storage cannot be reached, or refuses.
    """
    system, place = _system(url)

    def found() -> dict[str, dict[str, Any]]:
        try:
            exact = system.info(place, refresh=True)
        except FileNotFoundError:
            is_pattern = any(letter in place for letter in "*?[")
            return dict(system.glob(place, detail=True)) if is_pattern else {}
        return {place: exact}

    return _sorted_out(url, list(_tried(found, url, verb="list").values()))


def _sorted_out(
    url: str, found: list[dict[str, Any]], own: str = ""
) -> tuple[list[str], list[RemoteFile]]:
    """Folders and files, without a folder's own marker; what is found is used up, for it may be a million of them."""
    folders: list[str] = []
    files: list[RemoteFile] = []
    found.reverse()
    while found:
        one = found.pop()
        each = _url(url, str(one["name"]).rstrip("/"))
        if one["type"] == "directory":
            folders.append(each)
        elif one["name"] != own:
            files.append(_file(each, one))
    return folders, files


def read(url: str, begin: int | None = None, end: int | None = None) -> bytes:
    """A file at a URL, or a part of it.

    Args:
        url: Where.
        begin: First byte; None for the start.
        end: Byte behind the last; None for the end.

    Returns:
        The bytes.

    Raises:
        DataError: After four tries.
    """
    system, place = _system(url)
    content: bytes = _tried(
        lambda: system.cat_file(place, start=begin, end=end), url, verb="read", waits=_WAITS
    )
    return content


def write(url: str, content: bytes | Path) -> None:
    """Put a file at a URL, in one piece.

    Args:
        url: Where.
        content: Bytes, or the file that holds them.

    Raises:
        DataError: After four tries.
    """
    system, place = _system(url)
    if isinstance(content, Path):
        file = str(content)
        _tried(lambda: system.put_file(file, place), url, verb="write", waits=_WAITS)
    else:
        _tried(lambda: system.pipe_file(place, content), url, verb="write", waits=_WAITS)


def remove(url: str) -> None:
    """Take a file at a URL away; one that is not there is no error.

    Args:
        url: Where.

    Raises:
        DataError: After four tries.
    """
    system, place = _system(url)

    def gone() -> None:
        with suppress(FileNotFoundError):
            system.rm_file(place)

    _tried(gone, url, verb="delete", waits=_WAITS)


@contextmanager
def opened(file: RemoteFile, block: int) -> Iterator[Any]:
    """A file at a URL to be read here and there.

    Args:
        file: Which.
        block: Bytes that are fetched at once.

    Yields:
        A seekable stream.

    Raises:
        DataError: The storage cannot be reached, or refuses.
        FigureGroundError: As whoever reads has raised it.
    """
    system, place = _system(file.url)
    options = {"block_size": block, "cache_type": "readahead", "size": file.size}
    try:
        with system.open(place, "rb", **options) as stream:
            yield stream
    except FigureGroundError:
        raise
    except Exception as error:  # as of ``_tried``: what is read is read after this
        raise DataError(f"cannot read {file.url}: {_reason(error)}") from error


def _tried(
    action: Callable[[], Result], url: str, *, verb: str, waits: Sequence[float] = ()
) -> Result:
    """What an action on storage gives, after some tries; any error as one line of ours."""
    for wait in (*waits, None):
        try:
            return action()
        except _FINAL as error:
            raise DataError(f"cannot {verb} {url}: {_reason(error)}") from error
        except Exception as error:  # the libraries of storages raise errors of many kinds
            if wait is None:
                raise DataError(f"cannot {verb} {url}: {_reason(error)}") from error
        time.sleep(wait)
    raise AssertionError  # pragma: no cover


def _reason(error: Exception) -> str:
    """What went wrong, in plain words."""
    kind = type(error).__name__
    told = next((line.strip() for line in str(error).splitlines() if line.strip()), kind)[:300]
    if isinstance(error, FileNotFoundError):
        return "there is no such file, folder or bucket"
    if isinstance(error, PermissionError) or "Credential" in kind or "authenticat" in told:
        return f"access is denied ({told}); credentials are taken from the environment"
    if isinstance(error, ConnectionError | TimeoutError) or any(
        word in kind for word in ("Connect", "Timeout", "ServiceRequest")
    ):
        return f"the storage cannot be reached ({told})"
    return told


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the place in it."""
    scheme, _, rest = url.partition("://")
    scheme, netloc = scheme.lower(), rest.partition("/")[0]
    if "@" in netloc:
        raise DataError(
            f"a URL of {scheme} with an account or credentials in it: leave them to the environment, for they would be "
            f"written into records; {scheme}://{'container' if scheme in {'abfs', 'az'} else 'bucket'}/folder is all"
        )
    if scheme in _NEEDED and (not netloc or any(letter in netloc for letter in "*?[")):
        raise DataError(f"{url} names no bucket; it is to be {scheme}://bucket/folder")
    if scheme not in _NEEDED:
        raise DataError(f"no storage is known for {scheme}://; known: {', '.join(_NEEDED)}, file")
    with _MAKING:
        system = _made(scheme, netloc if scheme == "hdfs" else "")
    return system, str(system._strip_protocol(f"{scheme}://{rest}")).rstrip("/")  # noqa: SLF001 - there is no other name for it


@lru_cache(maxsize=16)
def _made(scheme: str, netloc: str) -> Any:  # noqa: ANN401 - no types
    """A file system, once in a process."""
    try:
        kind = import_module("fsspec").get_filesystem_class(scheme)
        # its messages, tracebacks among them, are for those who set up logging; errors are raised as well
        logging.getLogger(kind.__module__.partition(".")[0]).addHandler(logging.NullHandler())
        where = kind._get_kwargs_from_urls(f"{scheme}://{netloc}/") if netloc else {}  # noqa: SLF001
        system = kind(use_listings_cache=False, **_OPTIONS.get(scheme, {}), **where)
    except ImportError as error:
        raise DataError(f"{scheme}:// needs {_NEEDED[scheme]}") from error
    except Exception as error:  # as above
        raise DataError(f"cannot use {scheme}://{netloc}: {_reason(error)}") from error
    if scheme == "s3":
        system.retries = 2  # of s3fs, around those of the library below it
    return system


def _url(like: str, name: str) -> str:
    """The URL of a name that a file system gave, which has no scheme, and of HDFS no machine."""
    scheme, _, rest = like.partition("://")
    machine = rest.partition("/")[0] if name.startswith("/") else ""
    return f"{scheme}://{machine}{name}"


def _file(url: str, about: dict[str, Any]) -> RemoteFile:
    version = next((str(about[name]) for name in _VERSIONS if about.get(name)), "")
    return RemoteFile(url, int(about.get("size") or 0), version.strip('"'))
