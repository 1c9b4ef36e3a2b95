"""Who works in a folder is known also on Windows, and on file systems that have no locks."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from figureground.base import claim as module
from figureground.base.claim import claimed, locked
from figureground.base.errors import DataError

LOCK = ".figureground.lock"
HERE = socket.gethostname()


def of_this_process(text: str) -> str:
    """Filled in when a test runs: each test process has a number of its own, and all must collect the same tests."""
    return text.replace("OWN", str(os.getpid())).replace("HERE", HERE)


@pytest.fixture(params=[errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def refused(_handle: int, _operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refused)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of Windows: of bytes, which others cannot read; an open file cannot be deleted."""
    flock, unlink = fcntl.flock, Path.unlink

    def locking(handle: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        assert os.lseek(handle, 0, os.SEEK_CUR) > 400  # far behind what others read
        try:
            flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    def unlinked(path: Path, *, missing_ok: bool = False) -> None:
        handles = list(Path("/proc/self/fd").iterdir())
        if any(one.exists() and one.resolve() == path.resolve() for one in handles):
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        unlink(path, missing_ok=missing_ok)

    def never(*_: object) -> None:
        raise AssertionError("signal 0 ends a process there")

    stand_in = ModuleType("msvcrt")
    stand_in.LK_NBLCK, stand_in.locking = 2, locking  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", stand_in)
    monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(Path, "unlink", unlinked)
    monkeypatch.setattr(os, "kill", never)


def told(folder: Path) -> str:
    """What another thread is told."""
    errors: list[str] = []

    def other() -> None:
        try:
            with claimed(folder, "explain"):
                pass
        except DataError as error:
            errors.append(str(error))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    return errors[0] if errors else ""


@pytest.mark.usefixtures("no_locks")
def test_without_locks_another_thread_is_told_until_the_first_has_ended(tmp_path: Path):
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()} {HERE}\n"
        with claimed(tmp_path, "explain"):
            assert f"in use by process {os.getpid()} on {HERE}; wait until" in told(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not told(tmp_path)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_live_process_is_believed_and_a_dead_one_is_not(tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (tmp_path / LOCK).write_text(f"{process.pid} {HERE}\n")
        with pytest.raises(DataError, match=f"in use by process {process.pid} on {HERE}; wait"):
            locked(tmp_path).__enter__()
        assert (tmp_path / LOCK).read_text() == f"{process.pid} {HERE}\n"
        process.communicate(b"\n")
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()} {HERE}\n"


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_process_of_somebody_else_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def not_ours(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", not_ours)
    (tmp_path / LOCK).write_text(f"1 {HERE}\n")
    with pytest.raises(DataError, match="in use by process 1 on "):
        locked(tmp_path).__enter__()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_process_elsewhere_cannot_be_asked_and_its_file_may_be_deleted(
    tmp_path: Path,
):
    (tmp_path / LOCK).write_text("7 elsewhere\n")
    with pytest.raises(DataError, match=r"by process 7 on elsewhere; .*already, delete .*lock\)"):
        locked(tmp_path).__enter__()
    (tmp_path / LOCK).unlink()
    with locked(tmp_path):
        pass


@pytest.mark.usefixtures("no_locks")
@pytest.mark.parametrize(
    "text", ["", "OWN HERE\n", f"{10**30} HERE\n", "0 HERE\n", "\0\0\0", "7\n"]
)
def test_without_locks_a_file_that_names_nobody_is_taken_over(text: str, tmp_path: Path):
    (tmp_path / LOCK).write_text(
        of_this_process(text)
    )  # a process of our number may have been there before us
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()} {HERE}\n"


def test_other_errors_of_a_file_system_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(_handle: int, _operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(DataError, match=r"cannot write .*: Input/output error"):
        locked(tmp_path).__enter__()


@pytest.mark.usefixtures("windows")
def test_on_windows_a_second_one_is_told_and_nothing_stays(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    with claimed(folder, "explain"):
        assert (folder / LOCK).read_text() == f"{os.getpid()} {HERE}\n"
        assert f"in use by process {os.getpid()} on {HERE}; wait until" in told(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("text", ["", "7 elsewhere\n", "OWN HERE\n", "x"])
def test_on_windows_a_file_that_nobody_has_locked_is_taken_over(text: str, tmp_path: Path):
    (tmp_path / LOCK).write_text(of_this_process(text))
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()} {HERE}\n"


@pytest.mark.usefixtures("windows")
def test_on_windows_another_process_is_told_by_the_lock_alone(tmp_path: Path):
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / LOCK)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(DataError, match="is in use by another process; wait until"):
            locked(tmp_path).__enter__()
        process.communicate("\n")
    with locked(tmp_path):
        pass


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("number", sorted({errno.ENOLCK, errno.ENOSYS}))
def test_on_windows_nobody_is_asked_by_a_signal(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(_handle: int, _mode: int, _count: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sys.modules["msvcrt"], "locking", refused)
    (tmp_path / LOCK).write_text(f"7 {HERE}\n")
    with pytest.raises(DataError, match="if it has ended already, delete"):
        locked(tmp_path).__enter__()
