"""A folder of results at a URL: worked on in a folder of this machine, written back as the work goes on."""

__all__ = ["mirrored"]

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType

from figureground.base.errors import DataError
from figureground.base.storage import is_url, local_path, read, remote_folder, remove, write

_EVERY = 30.0  # seconds between two writings, or ten times what one takes
_TRANSFERS = 16  # files at a time
_LINES, _RECORD, _TRIAL = "entries.jsonl", "record.json", ".figureground.trial"
_OPEN: ContextVar[MappingProxyType[str, Path]] = ContextVar("open", default=MappingProxyType({}))


@contextmanager
def mirrored(place: Path | str, mark: str) -> Iterator[Path]:
    """The folder of this machine in which results for a place are made.

    Of a path that is the path itself. Of a URL it is a temporary folder, into which all that an earlier run wrote there
    is fetched first. What changes in it is written to the URL every half minute, and at the end, also of a job that
    fails; lines of finished units only after the files that they count on, and the record last.

    Args:
        place: A path or a URL.
        mark: The file by which a folder of results is known.

    Yields:
        The folder.

    Raises:
        DataError: The storage cannot be reached or refuses, or there are files at the URL that no job of ours wrote.
    """
    url = place.rstrip("/") if is_url(place) else None
    here = None if url is None else local_path(url)
    if url is None or here is not None:
        yield here or Path(place)
    elif url in _OPEN.get():
        yield _OPEN.get()[url]
    else:
        with _working_folder(url, mark) as folder:
            token = _OPEN.set(MappingProxyType({**_OPEN.get(), url: folder}))
            try:
                yield folder
            finally:
                _OPEN.reset(token)


@contextmanager
def _working_folder(url: str, mark: str) -> Iterator[Path]:
    """Fetched, written back in a thread and at the end, and removed when all is at the URL."""
    folder = Path(tempfile.mkdtemp(prefix="figureground-"))
    mirror = _Mirror(url, folder)
    try:
        mirror.fetch(mark)
        write(f"{url}/{_TRIAL}", b"")  # what cannot be written is told before the work
        remove(f"{url}/{_TRIAL}")
    except BaseException:
        shutil.rmtree(folder)
        raise
    ended = threading.Event()
    thread = threading.Thread(target=mirror.keep_writing, args=(ended,), daemon=True)
    thread.start()
    try:
        yield folder
    finally:
        ended.set()
        thread.join()
        try:
            mirror.write_back()
        except (DataError, OSError) as error:
            raise DataError(f"{error}; what could not be written lies in {folder}") from error
        shutil.rmtree(folder)


class _Mirror:
    """A folder, and what of it is at a URL."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._there: dict[
            str, tuple[int, int]
        ] = {}  # name -> size and time of change here, as written

    def fetch(self, mark: str) -> None:
        """All that an earlier run wrote."""
        top = remote_folder(self._url)
        folders, files = top or ([], [])
        files = [one for one in files if one.name != _TRIAL]
        if (folders or files) and mark not in {one.name for one in files}:
            raise DataError(
                f"{self._url} holds files that no job of figureground wrote; name another folder with --out"
            )
        while folders:
            inner, more = remote_folder(folders.pop()) or ([], [])
            folders += inner
            files += more
        with ThreadPoolExecutor(_TRANSFERS, thread_name_prefix="fetch") as pool:
            names = [one.url[len(self._url) + 1 :] for one in files]
            for name, state in zip(names, pool.map(self._fetched, names), strict=True):
                self._there[name] = state

    def _fetched(self, name: str) -> tuple[int, int]:
        target = self._folder / name
        if not target.resolve().is_relative_to(self._folder.resolve()):
            raise DataError(
                f"{self._url} holds a file with the name {name}, which is no name of ours"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read(f"{self._url}/{name}"))
        return _state(target)

    def keep_writing(self, ended: threading.Event) -> None:
        """Write back again and again; what fails is tried anew, in the end by who waits for it."""
        wait = _EVERY
        while not ended.wait(wait):
            began = time.monotonic()
            try:
                self.write_back()
            except (DataError, OSError):
                continue
            finally:
                wait = max(_EVERY, 10 * (time.monotonic() - began))

    def write_back(self) -> None:
        """All that has changed, in an order in which whoever reads finds what is counted on."""
        lines, copy = self._folder / _LINES, self._folder / f".{_LINES}.copy"
        state = _state(lines) if lines.exists() else None
        if state is not None:  # lines that are added from here on may have files that are not seen
            shutil.copyfile(lines, copy)
        now = {name: _state(self._folder / name) for name in self._names()}
        changed = [name for name, one in now.items() if self._there.get(name) != one]
        gone = [name for name in self._there if name not in now and name != _LINES]
        if _RECORD in gone:
            self._remove(_RECORD)
        with ThreadPoolExecutor(_TRANSFERS, thread_name_prefix="write") as pool:
            files = [name for name in changed if name != _RECORD]
            for name in pool.map(self._written, files):
                self._there[name] = now[name]
        if state is not None and self._there.get(_LINES) != state:
            write(f"{self._url}/{_LINES}", copy)
            self._there[_LINES] = state
        copy.unlink(missing_ok=True)
        if _RECORD in changed:
            self._there[self._written(_RECORD)] = now[_RECORD]
        for name in gone:
            self._remove(name)

    def _names(self) -> list[str]:
        """Files that are complete."""
        found = (path for path in self._folder.rglob("*") if path.is_file())
        names = (path.relative_to(self._folder).as_posix() for path in found)
        return [
            one for one in names if one != _LINES and not one.rpartition("/")[2].startswith(".")
        ]

    def _written(self, name: str) -> str:
        write(f"{self._url}/{name}", self._folder / name)
        return name

    def _remove(self, name: str) -> None:
        if self._there.pop(name, None) is not None:
            remove(f"{self._url}/{name}")


def _state(file: Path) -> tuple[int, int]:
    """Tells whether a file has changed."""
    about = file.stat()
    return about.st_size, about.st_mtime_ns
