"""Who owns a folder of results: which kind of job made it, what that was asked, and who works in it now."""

__all__ = ["MARK", "Claim", "claimed", "kind_of", "locked"]

import errno
import json
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from figureground.base.errors import DataError
from figureground.base.mirror import mirrored
from figureground.base.record import is_whole, sealed, write_json

MARK, _LOCK, _RECORD = "figureground.json", ".figureground.lock", "record.json"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_HELD: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())
# folders that a thread of this process holds, where the file system cannot tell
_OF_THIS_PROCESS: set[str] = set()


class Claim:
    """A folder that is ours to write to; made by ``claimed``.

    Args:
        folder: The folder, of this machine.
        kind: Of the job.
        place: What the user called it: a path or a URL; the folder where None.
    """

    def __init__(self, folder: Path, kind: str, place: Path | str | None = None) -> None:
        self.folder, self.kind, self.place = folder, kind, str(place or folder)

    @property
    def files(self) -> list[str]:
        """Files that the mark lists, relative to the folder: all that may be deleted of an earlier job."""
        return [str(name) for name in (_mark_of(self.folder) or {}).get("files", ())]

    def check(self, asked: Mapping[str, object], *, overwrite: bool = False) -> None:
        """Refuse to replace the answer to another question.

        Args:
            asked: What the job is asked: name -> value.
            overwrite: Replace it all the same.

        Raises:
            DataError: The folder holds the results of a job that was asked something else.
        """
        held, mine = (_mark_of(self.folder) or {}).get("asked"), _texts(asked)
        if not held or overwrite:
            return
        differ = [name for name in (*mine, *held) if mine.get(name) != held.get(name)]
        if differ:
            name = differ[0]
            there, here = _short(held.get(name, "none"), mine.get(name, "none"))
            raise DataError(
                f"{self.place} holds the results of another job ({name}: {there} there, {here} here); "
                "name another folder with --out, or replace them with --overwrite"
            )

    def give_up(self) -> None:
        """Let the next job of this kind ask what it likes; what it does not need of this one goes.

        Raises:
            DataError: The folder cannot be written to.
        """
        if _mark_of(self.folder) is not None:
            self.mark({}, self.files)

    def mark(self, asked: Mapping[str, object], files: Iterable[str] = ()) -> None:
        """Write down whose folder this is; to be called before the first other file is written.

        Args:
            asked: What the job is asked.
            files: Files that the job will write and a later one may delete, where no other record lists them.

        Raises:
            DataError: The folder cannot be written to.
        """
        _sweep(self.folder)
        content = {"kind": self.kind, "asked": _texts(asked), "files": list(files)}
        if _mark_of(self.folder) != content:
            write_json(self.folder / MARK, sealed(content))


@contextmanager
def claimed(folder: Path | str, kind: str, *, writes: Iterable[str] = ()) -> Iterator[Claim]:
    """A folder for a job of this kind alone, for as long as the job runs.

    Args:
        folder: Where results are to go; made where absent, and gone again where nothing was written. A URL stands for a
            temporary folder, as for ``mirrored``.
        kind: Of the job, as in its record.
        writes: Names that the job will write: where one is there already, a job of this kind must have made the folder.

    Yields:
        The claim.

    Raises:
        DataError: The folder holds something else, another process works in it, or it cannot be written to.
    """
    names = tuple(writes)
    with mirrored(folder, MARK) as place:
        _check(place, kind, names, called=folder)
        with locked(place):
            _check(place, kind, names, called=folder)  # somebody may have been faster
            yield Claim(place, kind, folder)


@contextmanager
def locked(folder: Path | str) -> Iterator[Path]:
    """Keep all others out of a folder. A process that is killed leaves it open; whoever holds it may lock it again.

    Args:
        folder: Made where absent. At a URL nobody is kept out.

    Yields:
        The folder; of a URL the temporary one that stands for it, as for ``mirrored``.

    Raises:
        DataError: Another process or thread holds it, or it cannot be written to.
    """
    with mirrored(folder, MARK) as place, _alone(place):
        yield place


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Keep all others out of a folder of this machine."""
    key = os.path.realpath(place)
    if key in _HELD.get():
        yield
        return
    made = [one for one in (place, *place.parents) if not one.exists()]
    handle = None
    try:
        handle = _held(place, key)
        token = _HELD.set(_HELD.get() | {key})
        try:
            yield
        finally:
            _HELD.reset(token)
    finally:
        if handle is not None:
            _let_go(handle, place / _LOCK, key)
        with suppress(OSError):  # which are not empty any more
            for one in made:
                one.rmdir()


def kind_of(folder: Path) -> str | None:
    """Which kind of job made a folder.

    Args:
        folder: Any folder.

    Returns:
        The kind; None where no job of ours did, or nothing tells.
    """
    return next(iter(_kinds(folder)), None)


def _kinds(folder: Path) -> list[str]:
    """All that tells of a kind: the mark, a training recipe, a record."""
    mark, record = _mark_of(folder), _content(folder / _RECORD)
    found = [] if mark is None else [str(mark["kind"])]
    found += ["train"] * (folder / "recipe.yaml").exists()
    if "fractions" in record and "kind" not in record:  # a pool of an earlier version
        return [*found, "background"]
    return [*found, str(record["kind"])] if "kind" in record else found


def _check(folder: Path, kind: str, writes: Iterable[str], *, called: Path | str) -> None:
    """Refuse a folder that holds something else."""
    held = _kinds(folder)
    others = [one for one in held if one != kind]
    if "train" in others:
        raise DataError(f"{called} holds a training run; name another folder with --out")
    if others:
        raise DataError(
            f"{called} holds results of '{others[0]}', not of '{kind}'; name another folder with --out"
        )
    if held:
        return
    if (folder / MARK).exists():
        raise DataError(
            f"{called}{os.sep}{MARK} is damaged, and nothing else tells whose results lie there; "
            "name another folder with --out"
        )
    there = [name for name in writes if (folder / name).exists()]
    if there:
        raise DataError(
            f"{called} holds '{there[0]}', which no job of this kind has written there; "
            "name another folder with --out"
        )


def _held(folder: Path, key: str) -> int:
    """A handle of the lock file, locked."""
    file = folder / _LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                _refuse_unless(_lock(handle, key), folder)
                if file.exists() and os.fstat(handle).st_ino == file.stat().st_ino:
                    _OF_THIS_PROCESS.add(key)
                    os.ftruncate(handle, 0)
                    os.lseek(handle, 0, os.SEEK_SET)
                    os.write(handle, f"{os.getpid()} {socket.gethostname()}\n".encode())
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # its last owner has just deleted it
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}") from error


def _let_go(handle: int, file: Path, key: str) -> None:
    """Delete the lock file and open the folder to others."""
    _OF_THIS_PROCESS.discard(key)
    if sys.platform == "win32":  # where an open file cannot be deleted, not even by whoever is next
        os.close(handle)
    with suppress(OSError):
        file.unlink()
    if (
        sys.platform != "win32"
    ):  # the name goes first: whoever locks a file without a name tries again
        os.close(handle)


def _refuse_unless(free: bool | None, folder: Path) -> None:  # noqa: FBT001 - one question
    """Tell who holds the folder; None where that may have ended long ago."""
    if not free:
        file = folder / _LOCK
        gone = f" (if it has ended already, delete {file})" if free is None else ""
        raise DataError(
            f"{folder} is in use by {_holder(file)}; wait until that has ended{gone}, "
            "or name another folder with --out"
        )


def _sweep(folder: Path) -> None:
    """Remove what killed processes of ours were just writing in a folder that is locked, and in its own folders."""
    there = folder.iterdir() if folder.is_dir() else ()
    inner = [one for one in there if one.is_dir() and not (one / _LOCK).exists()]
    dividing = [deep for one in inner for deep in one.glob("[0-9a-f][0-9a-f]") if deep.is_dir()]
    for place in (folder, *inner, *dividing):
        for file in place.glob(".*.part"):
            if re.fullmatch(r"\..+\.\d+\.part", file.name):
                file.unlink(missing_ok=True)


def _lock(handle: int, key: str) -> bool | None:
    """Whether the file is ours now; None where its holder cannot be asked. The system frees it when we end."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - only there

            os.lseek(handle, 1 << 20, os.SEEK_SET)  # what is locked cannot be read
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - not everywhere

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:  # of this file system: what its holder has written must do
            os.lseek(handle, 0, os.SEEK_SET)
            return _is_over(os.read(handle, 400).decode(errors="replace"), key)
        if error.errno in {errno.EACCES, errno.EAGAIN, errno.EDEADLK}:
            return False
        raise
    return True


def _is_over(holder: str, key: str) -> bool | None:
    """Whether the process that a lock file names has ended; None where it cannot be asked."""
    found = re.fullmatch(r"([1-9]\d*) (.+)\n", holder)
    if found is None:
        return True
    if found[2] != socket.gethostname() or sys.platform == "win32":  # where asking is ending
        return None
    if int(found[1]) == os.getpid():  # another thread of ours, or one of the same number before us
        return key not in _OF_THIS_PROCESS
    return not _runs(int(found[1]))


def _runs(process: int) -> bool:
    """Whether a process of this machine may still run."""
    try:
        os.kill(process, 0)
    except OverflowError:  # no number of a process
        return False
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def _holder(file: Path) -> str:
    """Who holds a lock, in words."""
    words: list[str] = []
    with suppress(OSError):
        words = file.read_text(encoding="utf-8", errors="replace").split()
    return f"process {words[0]} on {words[1]}" if len(words) == 2 else "another process"


def _mark_of(folder: Path) -> dict[str, Any] | None:
    """The mark of a folder; None where it has none that is whole."""
    content = _content(folder / MARK)
    if not is_whole(content) or not {"kind", "asked", "files"} <= {*content}:
        return None
    return {name: content[name] for name in ("kind", "asked", "files")}


def _content(file: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none that can be read."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _texts(asked: Mapping[str, object]) -> dict[str, str]:
    """What is asked, as JSON keeps it."""
    return {name: str(value).encode("utf-8", "replace").decode() for name, value in asked.items()}


def _short(*values: str) -> list[str]:
    """Values that may be long, in a message: from near the first letter that differs."""
    pairs = enumerate(zip(*values, strict=False))
    first = next((at for at, letters in pairs if len({*letters}) > 1), 0)
    start = max(0, first - 12) if max(map(len, values)) > 60 else 0
    cut = [f"...{value[start:]}" if start else value for value in values]
    return [value if len(value) <= 60 else f"{value[:57]}..." for value in cut]
