"""Annotations in whatever known format they come."""

__all__ = ["ANNOTATION_FORMATS", "AnnotationFormat", "annotations_of", "read_annotations"]

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from figureground.base.errors import DataError
from figureground.base.storage import RemoteFile, is_url, local_path, read, remote_folder
from figureground.data.annotations.checking import ClassLabels, check_entries
from figureground.data.annotations.coco import looks_like_coco, read_coco
from figureground.data.annotations.csv_boxes import looks_like_csv, read_csv
from figureground.data.annotations.entries import AnnotatedImages, Problem, RawEntry
from figureground.data.annotations.image_finder import ImageFinder
from figureground.data.annotations.masks import looks_like_masks, read_masks
from figureground.data.annotations.voc import looks_like_voc, read_voc
from figureground.data.annotations.wsol import looks_like_wsol, read_wsol


@dataclass(frozen=True)
class AnnotationFormat:
    """A format: what it is, how to tell it, how to read it.

    Args:
        description: What the source has to be, in words.
        looks_like: Whether a source is of this format.
        read: The raw entries of a source, and its problems.
    """

    description: str
    looks_like: Callable[[Path], bool]
    read: Callable[[Path, ImageFinder], tuple[list[RawEntry], list[Problem]]]


_IN_ONE_FILE = {".json", ".csv"}
File = TypeVar("File", Path, RemoteFile)

# the first that fits is taken
ANNOTATION_FORMATS: dict[str, AnnotationFormat] = {
    "coco": AnnotationFormat("a COCO .json file", looks_like_coco, read_coco),
    "csv": AnnotationFormat("a .csv file: path,label,x0,y0,x1,y1", looks_like_csv, read_csv),
    "wsol": AnnotationFormat("a folder with image_ids.txt", looks_like_wsol, read_wsol),
    "voc": AnnotationFormat("a folder of Pascal VOC .xml files", looks_like_voc, read_voc),
    "masks": AnnotationFormat("a folder of mask .png files", looks_like_masks, read_masks),
}


def read_annotations(
    source: Path | str,
    *,
    images: Path | str | None = None,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    needs_images: bool = True,
) -> AnnotatedImages:
    r"""The annotated images that a file or folder describes, checked against the images.

    A box partly outside its image is clipped; a box that is empty or outside is left out; an
    entry whose image is missing, unreadable or of another size than annotated, or whose label
    is unknown, is left out. Each of these is one of ``problems``.

    Args:
        source: A COCO ``.json`` file, a ``.csv`` file, a ``wsolevaluation`` metadata folder, a
            folder of Pascal VOC ``.xml`` files, or a folder of mask ``.png`` files; of the first two, a URL.
        images: The folder of images, or its URL; where None, places beside the source are searched.
        num_classes: Labels that are numbers must be below it.
        class_names: Labels that are names must be among them, and become indices.
        needs_images: Whether the images must be there; where not, the annotation is believed.

    Returns:
        One entry for each image and class, and every problem met.

    Raises:
        DataError: The source does not exist, is of no known format, or cannot be read at all.
        OptionError: ``num_classes`` and ``class_names`` contradict each other.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Image.new("RGB", (40, 30)).save(Path(folder, "a.png"))
        ...     rows = Path(folder, "boxes.csv")
        ...     _ = rows.write_text("path,label,x0,y0,x1,y1\na.png,dog,5,6,50,20\n")
        ...     annotated = read_annotations(rows, class_names=["cat", "dog"])
        >>> annotated[0].label, annotated[0].boxes.tolist(), annotated.problem_counts
        (1, [[5.0, 6.0, 40.0, 20.0]], {'clipped-box': 1})
    """
    if isinstance(source, str) and is_url(source) and local_path(source) is None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, source.rpartition("/")[2])
            copy.write_bytes(read(source))
            try:
                return read_annotations(
                    copy,
                    images=images or source.rpartition("/")[0],
                    num_classes=num_classes,
                    class_names=class_names,
                    needs_images=needs_images,
                )
            except DataError as error:
                raise DataError(str(error).replace(str(copy), source)) from error
    place = (local_path(source) if isinstance(source, str) else None) or Path(source)
    if not place.exists():
        raise DataError(f"no annotations at {place}")
    labels = ClassLabels(num_classes, class_names)
    name = _format_of(place)
    finder = ImageFinder.beside(place, images)
    entries, problems = ANNOTATION_FORMATS[name].read(place, finder)
    checked, more = check_entries(entries, labels, needs_images=needs_images)
    return AnnotatedImages(place, name, tuple(checked), (*problems, *more))


def annotations_of(place: Path | str) -> Path | str | None:
    """Which file or folder holds the annotations of a place.

    Args:
        place: A file, or a folder; as text, a URL of one.

    Returns:
        The place itself; of a folder without ``.xml`` and ``image_ids.txt`` the one ``.json`` or ``.csv`` in it; None
        where there is none.

    Raises:
        DataError: The folder holds several such files, or at a URL annotations of another format.
    """
    if isinstance(place, str):
        return _annotations_at(place)
    if not place.is_dir() or (place / "image_ids.txt").is_file() or any(place.rglob("*.xml")):
        return place
    files = sorted(file for file in place.iterdir() if file.suffix.lower() in _IN_ONE_FILE)
    return _only(place, files)


def _annotations_at(url: str) -> str | None:
    """The annotation file of a folder at a URL, or the file that the URL names."""
    if PurePath(url).suffix.lower() in _IN_ONE_FILE:
        return url
    _, files = remote_folder(url) or ([], [])
    if any(one.name == "image_ids.txt" or one.suffix.lower() == ".xml" for one in files):
        raise DataError(
            f"{url}: of annotations at a URL, COCO .json and .csv are read; fetch these, and name {url} with --images"
        )
    file = _only(url, [one for one in files if one.suffix.lower() in _IN_ONE_FILE])
    return None if file is None else str(file)


def _only(place: Path | str, files: Sequence[File]) -> File | None:
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise DataError(f"{place} holds several annotation files; name one of {names}")
    return files[0] if files else None


def _format_of(place: Path) -> str:
    """The first format that fits."""
    for name, known in ANNOTATION_FORMATS.items():
        if known.looks_like(place):
            return name
    formats = "; ".join(known.description for known in ANNOTATION_FORMATS.values())
    raise DataError(f"{place} is of no known annotation format; known: {formats}")
