"""What is kept in the user's cache: images of Parquet files, and where images lie in tar files of a storage.

In a Parquet file itself one image costs the decompression of its row group, of a hundred images or of all.
"""

__all__ = ["cache_folder", "copied_images", "kept"]

import glob
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from figureground.base.errors import DataError
from figureground.base.identity import digest, path_identity
from figureground.base.record import replaced, write_atomically
from figureground.base.storage import RemoteFile


def cache_folder() -> Path:
    """Where copies are kept: ``figureground`` in the folder ``XDG_CACHE_HOME``, or in ``.cache`` of the user.

    Returns:
        The folder, which may not be there yet.
    """
    own = os.environ.get("XDG_CACHE_HOME")
    return (Path(own) if own else Path.home() / ".cache") / "figureground"


def copied_images(
    path: Path | RemoteFile, state: tuple[object, ...], images: Iterable[bytes]
) -> tuple[Path, Int64[np.ndarray, " M"]]:
    """A copy of the images; an earlier one of the same state serves again, one of another state is deleted.

    Args:
        path: The file that they are in.
        state: What tells that the file is as it was.
        images: Encoded; not asked for where there is a copy.

    Returns:
        The copy, and the places ``(N + 1,)`` where each image begins in it and the last ends.

    Raises:
        DataError: The cache cannot be written to, or the disk is full.
    """
    name = f"{path.stem}-{digest(path_identity(path))}"
    copy = cache_folder() / f"{name}-{digest(*state)}.images"
    places = copy.with_suffix(".npy")
    offsets = _earlier(copy, places)
    if offsets is None:
        for old in copy.parent.glob(f"{glob.escape(name)}-*"):
            if old.stem != copy.stem:
                old.unlink(missing_ok=True)
        offsets = _written(copy, images)
        with replaced(places) as file:  # last: where it is, the copy is whole
            np.save(file, offsets)
    return copy, offsets


def kept(file: RemoteFile, found: Callable[[], list[Any]]) -> list[Any]:
    """What was found out about a file in a storage; asked once for each of its versions.

    Args:
        file: Which.
        found: What JSON can hold.

    Returns:
        It, as JSON gives it back.

    Raises:
        DataError: The cache cannot be written to.
    """
    name = f"{file.stem}-{digest(path_identity(file), file.size, file.version)}.json"
    place = cache_folder() / name
    with suppress(OSError, ValueError):
        earlier = json.loads(place.read_bytes())
        if isinstance(earlier, list):
            return earlier
    content = found()
    write_atomically(place, json.dumps(content).encode())
    return content


def _written(copy: Path, images: Iterable[bytes]) -> Int64[np.ndarray, " M"]:
    sizes = [0]
    with replaced(copy) as file:
        for image in images:
            file.write(image)
            sizes.append(len(image))
    return np.cumsum(sizes, dtype=np.int64)


def _earlier(copy: Path, places: Path) -> Int64[np.ndarray, " M"] | None:
    """The offsets of a whole copy."""
    if not (copy.is_file() and places.is_file()):
        return None
    try:
        offsets: np.ndarray = np.load(places, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{places} is damaged, delete it: {error}") from error
    return offsets if len(offsets) and copy.stat().st_size == offsets[-1] else None
