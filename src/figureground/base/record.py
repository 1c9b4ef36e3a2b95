"""Records: the numbers of a finished job, written last and in one piece."""

__all__ = [
    "Provenance",
    "append_line",
    "is_whole",
    "provenance",
    "read_json",
    "replaced",
    "sealed",
    "write_atomically",
    "write_json",
]

import json
import math
import os
import platform
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from figureground.base.errors import DataError

_PACKAGES = ("figureground", "torch", "torchvision", "timm", "numpy", "pillow")


@dataclass(frozen=True)
class Provenance:
    """How a record came to be.

    Args:
        command: The command line, or a description of the call.
        versions: Package name -> version.
        machine: Processor or accelerator, in words.
        seeds: Every seed that was used.
    """

    command: str
    versions: dict[str, str]
    machine: str
    seeds: tuple[int, ...] = ()


def provenance(command: str | None = None, seeds: tuple[int, ...] = ()) -> Provenance:
    """What is known of this process, for a record.

    Args:
        command: The command line; taken from ``sys.argv`` where omitted.
        seeds: Every seed that was used.

    Returns:
        The provenance.
    """
    words = command if command is not None else " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    machine = f"{platform.machine()}, {os.cpu_count()} cores, python {platform.python_version()}"
    return Provenance(words, {name: _version(name) for name in _PACKAGES}, machine, seeds)


def write_atomically(path: Path | str, content: bytes) -> Path:
    """Write a file so that a reader sees the old one or the whole new one, never a part.

    Args:
        path: Where; its folder is made.
        content: The bytes.

    Returns:
        The path.

    Raises:
        DataError: The folder cannot be written to, or the disk is full.
    """
    with replaced(path) as file:
        file.write(content)
    return Path(path)


@contextmanager
def replaced(path: Path | str) -> Iterator[IO[bytes]]:
    """A file to be written piece by piece, which takes its place when all is on the disk.

    Args:
        path: Where; its folder is made.

    Yields:
        The file, for bytes. After an error the old one stays.

    Raises:
        DataError: The folder cannot be written to, or the disk is full.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name with nothing behind it
        part.replace(target)
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # the folder itself may be what is wrong
            part.unlink(missing_ok=True)


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same with a checksum, ``check``, by which damage is seen.

    Args:
        content: What JSON can hold.

    Returns:
        The same as plain data, and the checksum.
    """
    plain: dict[str, Any] = _plain(dict(content))
    return {**plain, "check": _checksum(plain)}


def is_whole(content: Mapping[str, Any]) -> bool:
    """Whether what was read is what was sealed.

    Args:
        content: As read.

    Returns:
        Whether its checksum is right.
    """
    rest = {name: value for name, value in content.items() if name != "check"}
    return "check" in content and content["check"] == _checksum(rest)


def write_json(path: Path | str, content: Any) -> Path:  # noqa: ANN401 - anything that JSON can hold
    """Write dataclasses, dicts, lists and numbers as JSON, atomically; NaN and infinities become null.

    Args:
        path: Where; its folder is made.
        content: What to write.

    Returns:
        The path.
    """
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    return write_atomically(path, (text + "\n").encode())


def append_line(path: Path | str, content: Any) -> None:  # noqa: ANN401 - anything that JSON can hold
    """Add one JSON line to a file in a single write, so that a killed job leaves whole lines.

    Args:
        path: The file; made with its folder where absent.
        content: What to write.

    Raises:
        DataError: The file cannot be written to, or the disk is full.
    """
    target = Path(path)
    line = json.dumps(_plain(content), ensure_ascii=False, allow_nan=False) + "\n"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a", encoding="utf-8") as file:
            # not synced, which takes as long as making a map: a line that a power cut loses is done again
            file.write(line)
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error


def read_json(path: Path | str) -> Any:  # noqa: ANN401 - anything that JSON can hold
    """Read a JSON file.

    Args:
        path: The file.

    Returns:
        Its content as dicts, lists, strings and numbers.

    Raises:
        DataError: The file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    except RecursionError as error:
        raise DataError(f"cannot read {path}: it is nested too deep") from error


def _checksum(content: Mapping[str, Any]) -> int:
    """Of plain data, whatever the order of their names."""
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _plain(content: Any) -> Any:  # noqa: ANN401 - anything that JSON can hold
    """Dataclasses, tuples, paths and non-finite numbers as what JSON knows."""
    if is_dataclass(content) and not isinstance(content, type):
        content = asdict(content)
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return str(content) if isinstance(content, Path) else content


def _version(package: str) -> str:
    """The installed version, or 'absent'."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
