"""The images that a command line or a caller meant: files, folders and patterns as one list."""

__all__ = ["IMAGE_EXTENSIONS", "find_images", "natural_key"]

import os
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from glob import glob, has_magic
from pathlib import Path

from figureground.base.claim import kind_of
from figureground.base.errors import DataError

IMAGE_EXTENSIONS = frozenset(
    {
        *(
            ".apng",
            ".avif",
            ".bmp",
            ".dib",
            ".gif",
            ".heic",
            ".heif",
            ".hif",
            ".j2k",
            ".jfif",
            ".jp2",
            ".jpe",
            ".jpeg",
            ".jpf",
        ),
        *(".jpg", ".jpx", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    }
)
_NUMBER = re.compile(r"\d+")
# photographs and scans in kinds that cannot be read: found, so that each is named among what could not be used
_FOREIGN_EXTENSIONS = frozenset(
    {
        *(".jxl", ".jp2k", ".dcm", ".dicom", ".nii", ".mha", ".nrrd"),
        *(".svs", ".ndpi", ".czi", ".psd", ".exr", ".hdr", ".tga", ".pcx", ".raw", ".dng", ".cr2"),
        *(".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".mpo"),
    }
)
_EXTENSIONS = IMAGE_EXTENSIONS | _FOREIGN_EXTENSIONS


class FoundImages(list[Path]):
    """What ``find_images`` has found, in its order."""


def find_images(
    sources: Path | str | Sequence[Path | str], *, recursive: bool = False
) -> "FoundImages":
    """Every image that the sources stand for, each once, ``2.jpg`` before ``10.jpg``.

    A file named outright is taken whatever its name; in a folder only extensions of images count, in
    any case, and hidden files do not; folders of results inside it are not searched. Images of kinds
    that cannot be read (DICOM, raw files of cameras, HEIC without pillow-heif) are found, too: whoever decodes them
    says so, instead of passing them over. A pattern (``images/*.jpg``, ``images/**/*.png``) means what the
    shell would make of it. Two ways to write one place are one image; a symbolic link is an image of its own.

    Args:
        sources: One or more files, folders or patterns; what was found before is taken as it is.
        recursive: Search the folders inside the folders too; linked folders are not entered.

    Returns:
        The files, as they were written, at least one.

    Raises:
        DataError: A source does not exist, a pattern fits nothing, or there is no image at all.

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
    given = [sources] if isinstance(sources, Path | str) else list(sources)
    found: list[Path] = []
    places = _places(given)
    for place in places:
        found += _images_at(place, recursive=recursive)
    if not found:
        raise DataError(_nothing(given, recursive=recursive))
    if len(places) > 1:
        # resolve() would merge links
        by_place = {os.path.abspath(path): path for path in reversed(found)}  # noqa: PTH100
        found = list(by_place.values())
    found.sort(key=natural_key)
    return FoundImages(found)


def natural_key(path: Path) -> tuple[str, str]:
    """A sort key: numbers inside names by value, letters without case, ties by the exact name.

    Args:
        path: Any path.

    Returns:
        What to compare.

    Examples:
        >>> [path.name for path in sorted(map(Path, ["b10", "B9", "a"]), key=natural_key)]
        ['a', 'B9', 'b10']
    """
    text = os.fspath(path)
    # one short text for each of perhaps millions of paths: a shorter folder comes first, then a number, then letters
    return _NUMBER.sub(_by_value, text.lower().replace(os.sep, "\0")), text


def _by_value(number: re.Match[str]) -> str:
    """Digits as text that sorts as the number does."""
    digits = str(int(number[0]))
    return f"\1{chr(len(digits))}{digits}"


def _places(sources: Iterable[Path | str]) -> list[Path]:
    """The files and folders that exist; patterns are replaced by what they fit."""
    places: list[Path] = []
    for source in sources:
        path = Path(source)
        if _exists(path):
            places.append(path)
            continue
        if not has_magic(str(source)):
            raise DataError(_missing(path))
        # Path.glob gives folders only for a pattern that ends in '**'
        matches = [Path(match) for match in glob(str(source), recursive=True)]  # noqa: PTH207
        if not matches:
            raise DataError(f"the pattern '{source}' fits no file or folder")
        places += [match for match in matches if match.is_dir() or _is_image(match.name)]
    return places


def _images_at(place: Path, *, recursive: bool) -> list[Path]:
    """The file itself, or the images in the folder."""
    if not place.is_dir():
        return [place]
    images: list[Path] = []
    for folder, inner, names in os.walk(place, onerror=_refuse):
        images += [Path(folder, name) for name in names if _is_image(name)]
        inner[:] = [name for name in inner if recursive and _is_searched(Path(folder, name))]
    return images


def _is_searched(folder: Path) -> bool:
    """Whether a folder inside another one holds images of the user's, not pictures that a job of ours has made."""
    if folder.name.startswith(".") or kind_of(folder) is not None:
        return False
    return folder.name != "images" or kind_of(folder.parent) != "explain"


def _is_image(name: str) -> bool:
    """Whether the name is that of a visible image."""
    extension = os.path.splitext(name)[1]  # noqa: PTH122 - a Path of each of a million names takes seconds
    return extension.lower() in _EXTENSIONS and not name.startswith(".")


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


def _nothing(sources: Sequence[Path | str], *, recursive: bool) -> str:
    """Why there is no image."""
    shown = ", ".join(f"'{source}'" for source in sources) or "an empty list"
    how = "only with --recursive (recursive in the library)"
    hint = "" if recursive else f"; folders in folders are searched {how}"
    return f"no images in {shown} (known: {' '.join(sorted(IMAGE_EXTENSIONS))}){hint}"
