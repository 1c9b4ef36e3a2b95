"""Boxes that somebody else predicted: one line per image as in ILSVRC, or a CSV file with a row for each box."""

__all__ = ["CORNERS", "PredictedBoxes", "read_predicted_boxes"]

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float

from figureground.base.errors import DataError, unknown_option
from figureground.data.annotations.entries import Problem
from figureground.data.decoding import IMAGE_EXTENSIONS

CORNERS = ("inclusive", "half-open")
"""What the second corner of a box is: its last pixel, or the first one beyond it."""

_NAMES = ("name", "path", "image", "filename", "imageid")
_LABELS = ("label", "class")
_BOXES = (("x0", "y0", "x1", "y1"), ("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"))

_FAR = 1e9  # pixels; nothing is there

_Guess = tuple[str | None, tuple[float, ...]]  # class, if any, and four corners


@dataclass(frozen=True, eq=False)
class PredictedBoxes:
    """Guesses for each image, the best first.

    Args:
        labels: For each image the class of each of its guesses as it was written; None where none was.
        boxes: ``(N, G, 4)`` xyxy pixels, half-open; NaN where an image has no such guess, or it is no box.
        problems: Lines, images and boxes that could not be used.
        note: How images and lines were brought together; empty where the file names the images.
    """

    labels: tuple[tuple[str | None, ...], ...]
    boxes: Float[np.ndarray, "N G 4"]
    problems: tuple[Problem, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class _Line:
    """What one line holds.

    Args:
        number: From 1.
        name: Of the image; None where the place of the line tells.
        guesses: Class and corners; none where the line cannot be read.
        problem: Why not; empty where it can.
    """

    number: int
    name: str | None
    guesses: tuple[_Guess, ...] = ()
    problem: str = ""


def read_predicted_boxes(
    path: Path | str, names: Sequence[str], *, corners: str | None = None
) -> PredictedBoxes:
    r"""The boxes of a file, for images in a given order.

    Text: a line is ``class x0 y0 x1 y1`` for each guess, the best first, as ILSVRC's submissions are (words between
    blanks or commas), or ``x0 y0 x1 y1`` alone. The name of the image may stand before them; where no line has one,
    there is a line for every image in their order. CSV: columns ``name`` (or ``path``, ``image``), ``x0,y0,x1,y1`` (or
    ``x1,y1,x2,y2``, ``xmin,ymin,xmax,ymax``) and perhaps ``class`` or ``label``, a row for each guess.

    Args:
        path: The file, UTF-8.
        names: Of all images; in the file their extension and folders may be missing.
        corners: One of ``CORNERS``; where None, text includes the last pixel and CSV does not.

    Returns:
        The guesses.

    Raises:
        OptionError: There is no such meaning of corners.
        DataError: It cannot be read, or its lines name no images and are not as many as these.

    References:
        O. Russakovsky et al. (2015). ImageNet Large Scale Visual Recognition Challenge. IJCV 115, section 4.2 and the
        development kit.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "boxes.txt")
        ...     _ = file.write_text("449 5 6 14 15 12 1 2 3 4\n7 0 0 9 9\n")
        ...     found = read_predicted_boxes(file, ["a.jpg", "b.jpg"])
        >>> found.labels, found.boxes[0].tolist()
        ((('449', '12'), ('7',)), [[5.0, 6.0, 15.0, 16.0], [1.0, 2.0, 4.0, 5.0]])
    """  # noqa: DOC501 - unknown_option makes an OptionError
    place = Path(path)
    if corners not in (None, *CORNERS):
        raise unknown_option("meaning of corners", corners, CORNERS)
    try:
        text = place.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read predicted boxes from {place}: {error}") from error
    where = _Where(names)
    table = _columns(text)
    lines = list(_text_lines(text, where) if table is None else _csv_lines(text, table, place))
    extra = {"inclusive": 1, "half-open": 0, None: int(table is None)}[corners]
    return _gathered(lines, where, place, extra=extra)


class _Where:
    """Finds images by what a file calls them.

    Args:
        names: Of the images.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._exact = {name: at for at, name in enumerate(self.names)}
        self._short: dict[str, int | None] = {}
        for at, name in enumerate(self.names):
            for key in _spellings(name):
                self._short[key] = at if self._short.get(key, at) == at else None

    def find(self, word: str) -> int | None:
        """The position of an image; None where there is none, or several could be meant."""
        if word in self._exact:
            return self._exact[word]
        found = (self._short.get(key) for key in _spellings(word))
        return next((at for at in found if at is not None), None)


def _spellings(name: str) -> dict[str, None]:
    """A name as others may write it: without extension, without folders."""
    path = PurePosixPath(name.replace("\\", "/"))
    bare = path.with_suffix("") if path.suffix.lower() in IMAGE_EXTENSIONS else path
    return dict.fromkeys((str(path), str(bare), path.name, bare.name))


def _gathered(lines: Sequence[_Line], where: _Where, place: Path, *, extra: int) -> PredictedBoxes:
    """Guesses by image, and what could not be used."""
    told = [line.name is not None for line in lines if line.guesses]
    named = sum(told) * 2 > len(told)  # one line that is cut short does not decide for all
    lines = [line if named or line.name is None else _unlike(line) for line in lines]
    problems = [
        Problem("bad-row", f"{place.name} line {line.number}", f"left out: {line.problem}")
        for line in lines
        if line.problem
    ]
    if not named:
        _refuse_count(lines, where, place)
    guesses: dict[int, list[_Guess]] = {}
    blamed: set[int | None] = set()  # images whose line is among the problems
    for row, line in enumerate(lines):
        at = row if not named else None if line.name is None else where.find(line.name)
        if line.problem:
            blamed.add(at)
        elif at is None:
            why = (
                f"left out: no image is called '{line.name}'" if line.name else "left out: no name"
            )
            problems.append(Problem("unknown-image", f"{place.name} line {line.number}", why))
        else:
            guesses.setdefault(at, []).extend(line.guesses)
    problems += [
        Problem("no-prediction", name, f"no box in {place.name}: the image counts as missed")
        for at, name in enumerate(where.names)
        if not guesses.get(at) and at not in blamed
    ]
    boxes, bad = _boxes(guesses, where, place, extra=extra)
    labels = tuple(tuple(label for label, _ in guesses.get(at, ())) for at in range(len(boxes)))
    note = "" if named or not lines else (
        f"{place.name} names no images: its first line was taken for {where.names[0]}, its last for {where.names[-1]}, "
        "in the order of the annotations"
    )  # fmt: skip
    return PredictedBoxes(labels, boxes, (*problems, *bad), note)


def _unlike(line: _Line) -> _Line:
    """A line that names an image where others do not."""
    why = f"'{line.name}' is no class with a box, and the other lines name no images"
    return _Line(line.number, None, problem=line.problem or why)


def _refuse_count(lines: Sequence[_Line], where: _Where, place: Path) -> None:
    """Lines without names are only as good as their number."""
    if len(lines) != len(where.names):
        raise DataError(
            f"{place} names no images, so it needs a line for each: it has {len(lines)} lines for "
            f"{len(where.names)} images. Put the name of its image at the start of each line"
        )


def _boxes(
    guesses: Mapping[int, Sequence[_Guess]], where: _Where, place: Path, *, extra: int
) -> tuple[Float[np.ndarray, "N G 4"], list[Problem]]:
    """All boxes as one array, and those that are none."""
    most = max((len(some) for some in guesses.values()), default=0)
    boxes = np.full((len(where.names), max(1, most), 4), np.nan, np.float32)
    problems: list[Problem] = []
    for at, some in guesses.items():
        for rank, (_, corners) in enumerate(some):
            x0, y0, x1, y1 = corners
            if all(abs(one) < _FAR for one in corners) and x1 + extra > x0 and y1 + extra > y0:
                boxes[at, rank] = (x0, y0, x1 + extra, y1 + extra)
            else:
                shown = ", ".join(f"{number:g}" for number in corners)
                why = f"box ({shown}) of {place.name} left out: it is none, and counts as missed"
                problems.append(Problem("bad-box", where.names[at], why))
    _refuse_fractions(boxes - np.array([0, 0, extra, extra], np.float32), place)
    return boxes, problems


def _refuse_fractions(boxes: Float[np.ndarray, "N G 4"], place: Path) -> None:
    """Corners that all lie within one pixel are no corners in pixels."""
    known = boxes[~np.isnan(boxes)]
    if len(known) and (abs(known) <= 1).all() and (known != np.rint(known)).any():
        raise DataError(
            f"the boxes of {place} look like fractions of the image; give pixels: fractions times width and height"
        )


def _text_lines(text: str, where: _Where) -> Iterator[_Line]:
    """Lines of words; a first line without any number is a heading."""
    lines = text.rstrip().splitlines()
    for number, line in enumerate(lines, start=1):
        words = line.replace(",", " ").split()
        if number > 1 or not words or any(map(_is_number, words)):
            yield _text_line(number, words, where)


def _text_line(number: int, words: Sequence[str], where: _Where) -> _Line:
    """A name, perhaps; then class and corners again and again, or corners alone."""
    first = words[0] if words and (_has_noughts(words[0]) or not _is_number(words[0])) else None
    named = first is not None and (len(words) % 5 == 1 or where.find(first) is not None)
    rest = words[1:] if named else words
    name = first if named else None
    if len(rest) == 4:
        groups: list[tuple[str | None, Sequence[str]]] = [(None, rest)]
    else:
        groups = [(rest[at], rest[at + 1 : at + 5]) for at in range(0, len(rest), 5)]
    if len(rest) not in {0, 4} and len(rest) % 5:
        said = f"{len(words)} words, not 'class x0 y0 x1 y1' for each guess"
        return _Line(number, name, problem=said)
    try:
        return _Line(number, name, tuple((label, _corners(four)) for label, four in groups))
    except ValueError as error:
        return _Line(number, name, problem=str(error))


def _columns(text: str) -> dict[str, int] | None:
    """Where the columns of a CSV file are; None where its first line names no corners."""
    header = next(csv.reader(text.splitlines()[:1]), [])
    names = [name.strip().lower().replace("_", "") for name in header]
    corners = next((some for some in _BOXES if {*some} <= {*names}), None)
    image = next((name for name in _NAMES if name in names), None)
    if corners is None or image is None:
        return None
    label = next((name for name in _LABELS if name in names), None)
    found = {"name": names.index(image)} | {str(k): names.index(c) for k, c in enumerate(corners)}
    return found | ({} if label is None else {"label": names.index(label)})


def _csv_lines(text: str, columns: Mapping[str, int], place: Path) -> Iterator[_Line]:
    """Rows of a CSV file; a row without corners is an image without a box."""
    try:
        reader = csv.reader(text.splitlines(), skipinitialspace=True)
        next(reader)
        for row in reader:
            if row:
                yield _csv_line(reader.line_num, row, columns)
    except csv.Error as error:
        raise DataError(f"cannot read predicted boxes from {place}: {error}") from error


def _csv_line(number: int, row: Sequence[str], columns: Mapping[str, int]) -> _Line:
    """One guess."""
    if len(row) <= max(columns.values()):
        return _Line(number, "", problem=f"{len(row)} fields")
    name, four = row[columns["name"]].strip(), [row[columns[str(at)]].strip() for at in range(4)]
    label = row[columns["label"]].strip() if "label" in columns else ""
    if not any(four):
        return _Line(number, name)
    try:
        return _Line(number, name, ((label or None, _corners(four)),))
    except ValueError as error:
        return _Line(number, name, problem=str(error))


def _corners(words: Sequence[str]) -> tuple[float, ...]:
    """Four numbers."""
    return tuple(map(float, words))


def _has_noughts(word: str) -> bool:
    """Whether it is the name of an image in digits, 000005, which no class is."""
    return len(word) > 1 and word[0] == "0" and word.isdecimal()


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
