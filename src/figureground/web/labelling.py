"""Hits and misses among the images that a ranking put first, written to a file that training reads."""

__all__ = ["BACKGROUND", "Candidate", "Labelling", "Progress", "open_labelling", "wilson_interval"]

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote

from figureground.base.errors import DataError
from figureground.base.record import read_json, write_atomically
from figureground.web.results import whole_lines

BACKGROUND = "background"
_FILE = "labels.csv"
_COLUMNS = ("path", "label")


@dataclass(frozen=True)
class Candidate:
    """An image near the top of a ranking.

    Args:
        place: Its file.
        label: The class it was ranked for.
        score: Of that class.
        probability: Of that class.
        overlay: The picture of its map; None where there is none.
    """

    place: Path
    label: str
    score: float
    probability: float
    overlay: Path | None = None


@dataclass(frozen=True)
class Progress:
    """How far the labelling has come.

    Args:
        hits: Images marked as showing what is sought.
        marked: Images marked at all.
        candidates: Images on the sheet.
        precision: Hits of those marked; None before the first.
        interval: Of the precision, 95 %.
        seen: Share of what the network expects among all images that was scored which is marked.
    """

    hits: int
    marked: int
    candidates: int
    precision: float | None
    interval: tuple[float, float]
    seen: float

    @property
    def sentence(self) -> str:
        """It in words."""
        if self.precision is None:
            return f"{self.candidates} images to look at; none is marked."
        low, high = self.interval
        return (
            f"{self.marked} of {self.candidates} marked, {self.hits} hits: precision {100 * self.precision:.0f} % "
            f"({100 * low:.0f} to {100 * high:.0f}). The images marked hold {100 * self.seen:.0f} % of what the "
            "network expects to find."
        )


class Labelling:
    """The marks of a ranking. They stand in ``labels.csv`` of its folder, in the order in which they were made.

    Lines of that file about other images are kept, their path and label.

    Args:
        folder: Of the ranking.
        candidates: Best first.
        expected: Sum of the probabilities of all images that were scored.
    """

    def __init__(self, folder: Path, candidates: tuple[Candidate, ...], expected: float) -> None:
        self.file = folder / _FILE
        self.candidates = candidates
        self._expected = expected
        self._own = {str(one.place): one for one in candidates}
        self._writing = Lock()

    def mark(self, number: int, *, hit: bool) -> None:
        """Write down what an image shows, at once; an earlier mark of it goes.

        Args:
            number: Of the candidate.
            hit: Whether it shows what is sought.

        Raises:
            DataError: There is no such candidate, or the file cannot be read or written.
        """
        if not 0 <= number < len(self.candidates):
            raise DataError(f"there is no image {number} in this ranking")
        one = self.candidates[number]
        with self._writing:
            rows = [row for row in self._rows() if row["path"] != str(one.place)]
            rows.append({"path": str(one.place), "label": one.label if hit else BACKGROUND})
            self._write(rows)

    def undo(self) -> int | None:
        """Take back the last mark.

        Returns:
            The number of its image; None where nothing is marked.
        """
        with self._writing:
            rows = self._rows()
            last = next((row for row in reversed(rows) if row["path"] in self._own), None)
            if last is None:
                return None
            rows.remove(last)
            self._write(rows)
        return self.candidates.index(self._own[last["path"]])

    @property
    def marks(self) -> dict[int, bool]:
        """Candidate -> whether it was a hit, in the order in which they were marked."""
        numbers = {str(one.place): number for number, one in enumerate(self.candidates)}
        return {
            numbers[row["path"]]: row["label"].lower() != BACKGROUND
            for row in self._rows()
            if row["path"] in numbers
        }

    def next(self, after: int = -1, *, unmarked_only: bool = True) -> int | None:
        """The next candidate.

        Args:
            after: Where to begin; from the end it goes on at the top.
            unmarked_only: Pass over those that have a mark; else all come, so that marks can be changed.

        Returns:
            Its number; None where there is none, or all are marked.
        """
        marks, count = self.marks if unmarked_only else {}, len(self.candidates)
        order = [(after + 1 + step) % count for step in range(count)]
        return next((number for number in order if number not in marks), None)

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        marks = self.marks
        hits, marked = sum(marks.values()), len(marks)
        seen = sum(self.candidates[number].probability for number in marks)
        return Progress(
            hits=hits,
            marked=marked,
            candidates=len(self.candidates),
            precision=hits / marked if marked else None,
            interval=wilson_interval(hits, marked),
            seen=min(1.0, seen / self._expected) if self._expected > 0 else 0.0,
        )

    def _rows(self) -> list[dict[str, str]]:
        """Lines of the file."""
        if not self.file.exists():
            return []
        try:
            with self.file.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
                reader = csv.DictReader(file)
                if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                    raise DataError(f"{self.file} has no columns path and label")
                return [{key: row[key] or "" for key in _COLUMNS} for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"cannot read {self.file}: {error}") from error

    def _write(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.file, text.getvalue().encode("utf-8", "surrogateescape"))


def open_labelling(folder: Path) -> Labelling:
    """The images that a ranking put first.

    Args:
        folder: That ``figureground rank`` has left.

    Returns:
        Them, and the marks that are there already.

    Raises:
        DataError: It holds no ranking, or one that is not finished.
    """
    record = read_json(folder / "record.json")
    if not isinstance(record, dict) or record.get("kind") != "rank":
        raise DataError(f"{folder} holds no ranking")
    try:
        known = _entries(folder / "top" / "entries.jsonl")
        candidates = tuple(_candidate(one, known, folder) for one in record["top"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {folder}: {type(error).__name__}: {error}") from error
    return Labelling(folder, candidates, _expected(folder / "scores.csv"))


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share, which holds also where all or none are hits.

    Args:
        hits: How many.
        count: Of how many.

    Returns:
        Its ends; 0 and 1 where nothing was counted.

    References:
        Wilson (1927). Probable inference, the law of succession, and statistical inference.

    Examples:
        >>> [round(end, 3) for end in wilson_interval(8, 10)]
        [0.49, 0.943]
    """
    if count == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest  # noqa: PLC0415 - slow to import

    found = binomtest(hits, count).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def _candidate(one: dict[str, Any], known: dict[str, dict[str, Any]], folder: Path) -> Candidate:
    """An image of the record, with its file and map from the sheet."""
    entry = known.get(one["image"], {})
    place = Path(unquote(entry["place"], errors="surrogateescape")) if entry else Path(one["path"])
    panels = sorted(entry.get("panels", ()), key=lambda each: each["label"] != one["class_name"])
    panel = next(iter(panels), None)
    overlay = None if panel is None else folder / "top" / panel["png"]
    about = (one["class_name"], float(one["score"]), float(one["probability"]))
    return Candidate(place.absolute(), *about, overlay)


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    """Explained images by what stands for their place."""
    lines, _ = whole_lines(path)
    return {str(entry["unit"]): entry for entry in map(json.loads, lines)}


def _expected(table: Path) -> float:
    """The sum of all probabilities."""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            return sum(float(row["probability"] or 0) for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"cannot read {table}: {error}") from error
