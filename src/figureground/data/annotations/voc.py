"""Boxes from Pascal VOC XML files."""

__all__ = ["looks_like_voc", "read_voc"]

from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from figureground.data.annotations.entries import Problem, RawEntry
from figureground.data.annotations.image_finder import ImageFinder
from figureground.data.finding import natural_key

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def looks_like_voc(source: Path) -> bool:
    """Whether this is an XML file or a folder that holds some.

    Args:
        source: A file or folder.

    Returns:
        True if there is at least one name that ends in ``.xml``.
    """
    return bool(_files(source))


def read_voc(source: Path, finder: ImageFinder) -> tuple[list[RawEntry], list[Problem]]:
    """The entries of a folder of VOC files, one for each image and class, in natural file order.

    Coordinates count pixels from 1 and include the last. Some data sets in this form (ILSVRC) count
    from 0: where any corner of the whole folder is 0, all are taken so, and that is reported.

    Args:
        source: The folder, or one file.
        finder: Where the images are looked for, by ``filename`` or the XML file's own name.

    Returns:
        Raw entries with object names as labels, and what could not be used.

    References:
        M. Everingham et al. (2010). The Pascal Visual Object Classes Challenge. IJCV 88.
    """
    found: list[RawEntry] = []
    problems: list[Problem] = []
    for file in _files(source):
        try:
            found += _entries(_parse(file), file, finder)
        except (OSError, ValueError, expat.ExpatError) as error:
            problems.append(Problem("unreadable-file", str(file), f"left out: {error}"))
    first = 0 if _any_zero(found) else 1
    if first == 0:
        message = "a corner is 0: all files here are taken to count pixels from 0, not from 1"
        problems.append(Problem("counted-from-0", str(source), message))
    return [_half_open(entry, first) for entry in found], problems


def _files(source: Path) -> list[Path]:
    """The XML files meant, in natural order."""
    if source.is_dir():
        inside = (path for path in source.iterdir() if path.suffix.lower() == ".xml")
        return sorted(inside, key=natural_key)
    return [source] if source.suffix.lower() == ".xml" else []


def _parse(file: Path) -> Element:
    """The root element; a document type is refused, for it could unfold without end."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(file.read_bytes(), True)  # noqa: FBT003 - expat's own signature
    return builder.close()


def _refuse_document_type(*_: object) -> None:
    """Stop the parser."""
    raise ValueError("it declares a document type or entities, which VOC files do not need")


def _entries(root: Element, file: Path, finder: ImageFinder) -> list[RawEntry]:
    """One entry for each class in the image, or one without label; corners as written."""
    image = (root.findtext("filename") or "").strip() or file.stem
    path = finder.find(image)
    size = None
    if root.find("size") is not None:
        size = (int(_number(root, "size/width")), int(_number(root, "size/height")))
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for thing in root.findall("object"):
        name = (thing.findtext("name") or "").strip()
        corners = tuple(_number(thing, f"bndbox/{corner}") for corner in _CORNERS)
        boxes.setdefault(name, []).append(corners)
    if not boxes:
        return [RawEntry(str(file), path, None, (), size)]
    return [RawEntry(str(file), path, name, tuple(marked), size) for name, marked in boxes.items()]


def _number(element: Element, place: str) -> float:
    """A number that has to be there."""
    text = element.findtext(place)
    if text is None:
        raise ValueError(f"no '{place}' in <{element.tag}>")
    return float(text)


def _any_zero(entries: list[RawEntry]) -> bool:
    """Whether a left or upper corner is 0, which counting from 1 never gives."""
    return any(0 in box[:2] for entry in entries for box in entry.boxes)


def _half_open(entry: RawEntry, first: int) -> RawEntry:
    """Corners that count from ``first`` and include the last pixel, as half-open ones from 0."""
    boxes = tuple(
        (x0 - first, y0 - first, x1 - first + 1, y1 - first + 1) for x0, y0, x1, y1 in entry.boxes
    )
    return replace(entry, boxes=boxes)
