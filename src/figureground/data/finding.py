"""The images that a command line or a caller meant: files, folders and patterns as one list."""

__all__ = ["find_images", "image_files", "natural_key"]

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from glob import glob, has_magic
from pathlib import Path, PurePath

from figureground.base.claim import MARK, kind_of
from figureground.base.errors import DataError
from figureground.base.places import Member, Place, located
from figureground.base.storage import RemoteFile, is_url, local_path, remote_folder, remote_matches
from figureground.data.decoding import IMAGE_EXTENSIONS, is_image_name
from figureground.data.parquet_files import images_in_parquet
from figureground.data.tar_files import images_in_tar

_NUMBER = re.compile(r"\d+")
_LARGER: dict[str, Callable[[Path | RemoteFile], Iterable[Place]]] = {
    ".tar": images_in_tar,
    ".parquet": images_in_parquet,
}
_LISTINGS = 16  # folders of a storage that are listed at a time


class FoundImages(list[Place]):
    """What ``find_images`` has found, in its order."""


def find_images(
    sources: Place | str | Sequence[Place | str], *, recursive: bool = False
) -> "FoundImages":
    """Every image that the sources stand for, each once, ``2.jpg`` before ``10.jpg``.

    A file named outright is taken whatever its name; in a folder only extensions of images count, in
    any case, and hidden files do not; folders of results inside it are not searched. Images of kinds
    that cannot be read (DICOM, raw files of cameras, HEIC without pillow-heif) are found, too: whoever decodes them
    says so, instead of passing them over. A pattern (``images/*.jpg``, ``images/**/*.png``) means what the
    shell would make of it. Two ways to write one place are one image; a symbolic link is an image of its own. All of
    this holds for URLs (``s3://bucket/photos``), too. A tar or Parquet file, named outright or by a pattern, stands for
    the images in it.

    Args:
        sources: One or more files, folders, patterns or URLs; what was found before is taken as it is.
        recursive: Search the folders inside the folders too; linked folders are not entered.

    Returns:
        The places of the images, as they were written, at least one.

    Raises:
        DataError: A source does not exist, a pattern fits nothing, there is no image at all, or a storage cannot be
            reached or refuses.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("10.jpg", "2.JPEG", "notes.txt"):
        ...         Path(folder, name).touch()
        ...     [path.name for path in find_images([folder])]
        ['2.JPEG', '10.jpg']
    """
    if isinstance(sources, FoundImages):
        return sources
    given = [sources] if isinstance(sources, Place | str) else list(sources)
    found: list[Place] = []
    for source in given:
        found += _found(source, recursive=recursive)
    if not found:
        raise DataError(_nothing(given, recursive=recursive))
    if len(given) > 1 or has_magic(str(given[0])):
        found = list({_key(place): place for place in reversed(found)}.values())
    found.sort(key=natural_key)
    return FoundImages(found)


def _key(place: Place) -> tuple[str, int]:
    """The same for two ways to write one place; a larger file may hold two images of one name."""
    return located(place), place.offset if isinstance(place, Member) else 0


def image_files(folder: Path | str) -> list[Path]:
    """Every image in a folder and the folders in it, as ``find_images`` has them.

    Args:
        folder: Of this machine.

    Returns:
        The files, at least one.

    Raises:
        DataError: There is none.
    """
    return [path for path in find_images(Path(folder), recursive=True) if isinstance(path, Path)]


def _found(source: Place | str, *, recursive: bool) -> Iterable[Place]:
    """The images that one source stands for."""
    if isinstance(source, Member | RemoteFile):
        return [source]
    if isinstance(source, str) and is_url(source):
        here = local_path(source)
        if here is None:
            return _images_in(list(_images_at_url(source, recursive=recursive)))
        source = here
    return _images_in(
        [one for place in _places(source) for one in _images_at(place, recursive=recursive)]
    )


def _images_in(files: Sequence[Path | RemoteFile]) -> Iterable[Place]:
    """The files themselves; of tar and Parquet files the images in them."""
    if not any(str(one).lower().endswith(tuple(_LARGER)) for one in files):
        return files
    with ThreadPoolExecutor(_LISTINGS, thread_name_prefix="list") as pool:
        return [image for images in pool.map(_images_of, files) for image in images]


def _images_of(file: Path | RemoteFile) -> Iterable[Place]:
    read = _LARGER.get(file.suffix.lower())
    return [file] if read is None else read(file)


def natural_key(place: Place) -> tuple[str, str]:
    """A sort key: numbers inside names by value, letters without case, ties by the exact name.

    Args:
        place: Any.

    Returns:
        What to compare.

    Examples:
        >>> [path.name for path in sorted(map(Path, ["b10", "B9", "a"]), key=natural_key)]
        ['a', 'B9', 'b10']
    """
    text = os.fspath(place) if isinstance(place, Path) else located(place)
    # one short text for each of perhaps millions of paths: a shorter folder comes first, then a number, then letters
    return _NUMBER.sub(_by_value, text.lower().replace(os.sep, "\0")), text


def _by_value(number: re.Match[str]) -> str:
    """Digits as text that sorts as the number does."""
    digits = str(int(number[0]))
    return f"\1{chr(len(digits))}{digits}"


def _places(source: Path | str) -> list[Path]:
    """The file or folder, if it exists; a pattern is replaced by what it fits."""
    path = Path(source)
    if _exists(path):
        return [path]
    if not has_magic(str(source)):
        raise DataError(_missing(path))
    # Path.glob gives folders only for a pattern that ends in '**'
    matches = [Path(match) for match in glob(str(source), recursive=True)]  # noqa: PTH207
    if not matches:
        raise DataError(f"the pattern '{source}' fits no file or folder")
    return [match for match in matches if match.is_dir() or _is_meant(match.name)]


def _images_at(place: Path, *, recursive: bool) -> list[Path]:
    """The file itself, or the images in the folder."""
    if not place.is_dir():
        return [place]
    images: list[Path] = []
    for folder, inner, names in os.walk(place, onerror=_refuse):
        images += [Path(folder, name) for name in names if is_image_name(name)]
        inner[:] = [name for name in inner if recursive and _is_searched(Path(folder, name))]
    return images


def _images_at_url(url: str, *, recursive: bool) -> Iterator[RemoteFile]:
    """The file itself, the files that a pattern fits, or the images in the folder, many folders at a time."""
    top = remote_folder(url)
    with ThreadPoolExecutor(_LISTINGS, thread_name_prefix="list") as pool:
        listed: Iterable[tuple[list[str], list[RemoteFile]] | None] = [top]
        if top is None:
            tops, files = remote_matches(url)
            if not tops and not files:
                raise DataError(f"there is no file and no folder at {url}")
            is_exact = [one.url for one in files] == [url]
            yield from (one for one in files if is_exact or _is_meant(one.name))
            listed = pool.map(remote_folder, tops)
        is_top = True
        while True:
            inner: list[str] = []
            for folders, files in filter(None, listed):
                is_ours = any(one.name == MARK for one in files)  # results of a job
                if is_top or not is_ours:
                    yield from (one for one in files if is_image_name(one.name))
                    inner += [one for one in folders if _is_searched_at_url(one, in_ours=is_ours)]
            if not recursive or not inner:
                return
            listed, is_top = pool.map(remote_folder, inner), False


def _is_searched(folder: Path) -> bool:
    """Whether a folder inside another one holds images of the user's, not pictures that a job of ours has made."""
    if folder.name.startswith(".") or kind_of(folder) is not None:
        return False
    return folder.name != "images" or kind_of(folder.parent) != "explain"


def _is_searched_at_url(url: str, *, in_ours: bool) -> bool:
    """As ``_is_searched``, for a folder in one that may be of a job."""
    name = url.rpartition("/")[2]
    return not name.startswith(".") and not (in_ours and name == "images")


def _is_meant(name: str) -> bool:
    """Whether a pattern means a file of this name."""
    return is_image_name(name) or PurePath(name).suffix.lower() in _LARGER


def _exists(path: Path) -> bool:
    """Whether something is there; a name that no file can have is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _refuse(error: OSError) -> None:
    """A folder that cannot be listed must not look empty."""
    raise DataError(f"cannot list {error.filename}: {error.strerror}") from error


def _missing(path: Path) -> str:
    """What is not there, and what is there with nearly that name."""
    folder = path.parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    close = get_close_matches(path.name, names, n=1, cutoff=0.4)
    if close:
        return f"no file or folder '{path}'; closest: '{folder / close[0]}'"
    where = "" if folder.is_dir() else f"; its folder '{folder}' does not exist either"
    return f"no file or folder '{path}'{where}"


def _nothing(sources: Sequence[Place | str], *, recursive: bool) -> str:
    """Why there is no image."""
    shown = ", ".join(f"'{source}'" for source in sources) or "an empty list"
    how = "only with --recursive (recursive in the library)"
    hint = "" if recursive else f"; folders in folders are searched {how}"
    larger = "; tar and Parquet files are read where they are named, as folder/*.tar"
    return f"no images in {shown} (known: {' '.join(sorted(IMAGE_EXTENSIONS))}){hint}{larger}"
