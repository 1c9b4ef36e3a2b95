"""Per-image numbers as tables and charts: means with intervals, and differences between rows on the same images."""

__all__ = [
    "Case",
    "Chart",
    "EvaluationRecord",
    "ImageProblem",
    "Measure",
    "Read",
    "counted",
    "difference_table",
    "interval_cells",
    "interval_table",
    "known_mean",
    "left_out",
    "mean_curves",
    "mean_of",
    "mean_table",
    "model_description",
    "noticed_apart",
    "table",
]

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from figureground.base.record import Provenance
from figureground.capture import LayerChoice
from figureground.data.notices import NOTICES, Notice, summed
from figureground.metrics.intervals import Interval, bootstrap_interval, paired_difference
from figureground.models import Classifier
from figureground.studies.answers import Answer


@dataclass(frozen=True)
class ImageProblem:
    """One thing that was not as it should be; counted in records, never swallowed.

    Args:
        kind: A word for counting: ``missing-file``, ``unknown-label``, ``no-boxes``, ``map-missing``, ...
        where: The image, file or row.
        message: What came and what was done about it.
    """

    kind: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class Chart:
    """A line chart as numbers.

    Args:
        title: A few words.
        x_label: With unit.
        y_label: With unit.
        series: Name -> points ``(x, y)``.
        caption: Which direction is good.
    """

    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    caption: str = ""


@dataclass(frozen=True)
class Case:
    """One map of one image, drawn.

    Args:
        method: Row of the tables.
        kind: ``worst`` or ``best``, against the baseline where there is one.
        name: Of the image.
        label: Its class.
        overlap: Intersection over union of the box at the frozen threshold with a true one; or another ``measure``.
        baseline_overlap: The same of the baseline that does best, at its own threshold; None where there is none.
        measure: Name of the number.
        picture: Map, true boxes (yellow) and found box (blue), as a data address.
    """

    method: str
    kind: str
    name: str
    label: str
    overlap: float
    picture: str
    baseline_overlap: float | None = None
    measure: str = "IoU"


@dataclass(frozen=True)
class EvaluationRecord:
    """A finished evaluation; saved as ``record.json``, last, beside ``per_image.npz``.

    Args:
        kind: Name of the evaluation, as in the registry.
        title: The question that it answers.
        data: Description of the images.
        images: How many images the numbers are of.
        model: Name, layer, why that layer, input in words, preprocessing.
        methods: Row of the tables -> description.
        options: Everything that changes the numbers.
        tables: Title, caption, columns, rows.
        charts: Line charts.
        problems: Kind -> how often; nothing is dropped silently.
        examples_of_problems: Some of them in full.
        notes: What the reader must know.
        cases: The worst and best images of each method, where the evaluation draws them.
        seconds: Wall-clock time of this run.
        provenance: Command, versions, machine, seeds.
        left_out: What could not be used and is in no number: all files, images, boxes and maps, and why.
        answer: What the page leads with.
        schema: Version of this form.
    """

    kind: str
    title: str
    data: str
    images: int
    model: dict[str, str]
    methods: dict[str, str]
    options: dict[str, str]
    tables: tuple[dict[str, Any], ...]
    charts: tuple[Chart, ...]
    problems: dict[str, int]
    examples_of_problems: tuple[str, ...]
    notes: tuple[str, ...]
    cases: tuple[Case, ...]
    seconds: float
    provenance: Provenance
    left_out: tuple[str, ...] = ()
    answer: Answer | None = None
    schema: int = 2


def model_description(
    classifier: Classifier | None, layers: Sequence[LayerChoice] = ()
) -> dict[str, str]:
    """The model as a record describes it.

    Args:
        classifier: The model; None where none takes part.
        layers: Those that were explained.

    Returns:
        ``Classifier.description`` and, where layers were explained, these and why they were chosen.
    """
    if classifier is None:
        return {}
    explained = {
        "layer": ", ".join(one.name.removeprefix("network.") for one in layers),
        "layer_reason": "; ".join(one.reason for one in layers),
    }
    return classifier.description | (explained if layers else {})


# kinds of problems that keep a file, an image, a box or a map out of the numbers
_LOST = frozenset(
    {
        *("bad-box", "bad-row", "cropped-away", "empty-box", "map-missing", "map-unusable"),
        *("missing-file", "no-prediction", "not-judged", "outside-box", "output-non-finite"),
        *("size-mismatch", "unknown-image", "unknown-label", "unreadable-file"),
    }
)


def left_out(problems: Iterable[ImageProblem]) -> tuple[str, ...]:
    """Problems that kept something out of the numbers.

    Args:
        problems: All of them.

    Returns:
        Those, all of them, as sentences.
    """
    return tuple(str(one) for one in problems if one.kind in _LOST)


def noticed_apart(
    problems: Iterable[ImageProblem],
) -> tuple[list[ImageProblem], tuple[str, ...]]:
    """Problems, and what was only odd about images that were used.

    Args:
        problems: Of both kinds.

    Returns:
        The problems; and a sentence for each kind of oddity.
    """
    told = list(problems)
    odd = [(one.where, Notice(one.kind, one.message)) for one in told if one.kind in NOTICES]
    return [one for one in told if one.kind not in NOTICES], summed(odd)


def counted(
    problems: Iterable[ImageProblem], *, shown: int = 20
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Problems by kind, and some of them in full.

    Args:
        problems: All of them.
        shown: How many in full.

    Returns:
        Kind -> how often; and the first ones as sentences.

    Examples:
        >>> counted([ImageProblem("no-boxes", "a.png", "nothing is marked")] * 2, shown=1)
        ({'no-boxes': 2}, ('a.png: nothing is marked',))
    """
    several = list(problems)
    return dict(Counter(one.kind for one in several)), tuple(map(str, several[:shown]))


Read = Callable[[str], np.ndarray]
"""``row/key`` -> values ``(images,)``."""


@dataclass(frozen=True)
class Measure:
    """A number per image that is shown as a column of a table.

    Args:
        key: Name of the stored numbers, after the row's name.
        title: Heading of the column, with the direction that is good.
    """

    key: str
    title: str


def mean_of(values: np.ndarray, *, seed: int) -> Interval | None:
    """Mean with its bootstrap interval.

    Args:
        values: One per image; NaN where undefined.
        seed: Of the resampling.

    Returns:
        The interval; None where no value is defined.
    """
    numbers = torch.from_numpy(np.asarray(values, np.float64))
    if not bool((~numbers.isnan()).any()):
        return None
    return bootstrap_interval(numbers, seed=seed)


def mean_table(
    read: Read, rows: Sequence[str], measures: Sequence[Measure], *, title: str, caption: str
) -> dict[str, Any]:
    """Means only: the table to look at.

    Args:
        read: Gives the values of ``method/key``.
        rows: The methods.
        measures: The measures.
        title: A few words.
        caption: What the numbers are.

    Returns:
        A table as records hold it: title, caption, columns, rows; None where nothing is defined.
    """
    lines: list[list[object]] = []
    for row in rows:
        values = [read(f"{row}/{one.key}").astype(np.float64) for one in measures]
        lines.append([row, *(known_mean(value) for value in values)])
    return table(title, ["method", *(one.title for one in measures)], lines, caption=caption)


def interval_table(
    read: Read, rows: Sequence[str], measures: Sequence[Measure], *, title: str, seed: int
) -> dict[str, Any]:
    """One line per method and measure, with the bootstrap interval over images.

    Args:
        read: Gives the values of ``method/key``.
        rows: The methods.
        measures: The measures.
        title: A few words.
        seed: Of the resampling.

    Returns:
        A table as records hold it.
    """
    lines: list[list[object]] = [
        [row, one.title, *interval_cells(mean_of(read(f"{row}/{one.key}"), seed=seed))]
        for row in rows
        for one in measures
    ]
    caption = (
        "95 % percentile bootstrap over images, 2,000 resamples; undefined: blank maps, left out."
    )
    return table(
        title,
        ["method", "measure", "mean", "low", "high", "images", "undefined"],
        lines,
        caption=caption,
    )


def difference_table(
    read: Read, methods: Mapping[str, str], measures: Sequence[Measure], *, title: str, seed: int
) -> dict[str, Any]:
    """Each method less its reference on the same images.

    Args:
        read: Gives the values of ``method/key``.
        methods: Method -> its reference.
        measures: The measures.
        title: A few words.
        seed: Of the resampling.

    Returns:
        A table as records hold it; where the interval does not hold 0 the last cell is true.
    """
    lines: list[list[object]] = []
    for method, reference in methods.items():
        for one in measures:
            found = _difference(read, (method, reference), one.key, seed=seed)
            cells = interval_cells(found)[:4]
            differs = None if found is None else not found.low <= 0 <= found.high
            lines.append([method, reference, one.title, *cells, differs])
    caption = "Mean difference over images that both define, 95 % bootstrap interval of the pairs."
    return table(
        title,
        ["method", "less", "measure", "difference", "low", "high", "images", "differs"],
        lines,
        caption=caption,
    )


def interval_cells(found: Interval | None) -> list[object]:
    """An interval as cells of a table.

    Args:
        found: The interval; None where nothing is defined.

    Returns:
        Mean, low, high, number of images, number of undefined values.
    """
    if found is None:
        return [None, None, None, 0, None]
    return [
        *(round(value, 4) for value in (found.mean, found.low, found.high)),
        found.images,
        found.undefined,
    ]


def _difference(read: Read, pair: tuple[str, str], key: str, *, seed: int) -> Interval | None:
    first, second = (torch.from_numpy(read(f"{one}/{key}").astype(np.float64)) for one in pair)
    if bool((first - second).isnan().all()):
        return None
    return paired_difference(first, second, seed=seed)


def known_mean(values: np.ndarray, digits: int = 4) -> float | None:
    """Mean of what is defined, rounded.

    Args:
        values: One per image; NaN where undefined.
        digits: Decimal places.

    Returns:
        The mean; None where nothing is defined.
    """
    numbers = np.asarray(values, np.float64)
    known = numbers[~np.isnan(numbers)]
    return round(float(known.mean()), digits) if len(known) else None


def mean_curves(
    read: Read, rows: Sequence[str], key: str, *, x: Sequence[float]
) -> dict[str, list[tuple[float, float]]]:
    """Mean curves over images, one per row.

    Args:
        read: Gives the curves ``(images, S)`` of ``row/key``; NaN where undefined.
        rows: The methods.
        key: Which curves.
        x: ``S`` positions.

    Returns:
        Row -> points; rows without one defined curve are left out.
    """
    found = {}
    for row in rows:
        values = read(f"{row}/{key}").astype(np.float64)
        known = values[~np.isnan(values).any(1)]
        if len(known):
            means = known.mean(0).round(5).tolist()
            found[row] = [(round(float(at), 4), y) for at, y in zip(x, means, strict=True)]
    return found


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str = ""
) -> dict[str, Any]:
    """A table as records hold it.

    Args:
        title: A few words.
        columns: Names.
        rows: As long as the columns.
        caption: What the numbers are.

    Returns:
        Title, caption, columns and rows.
    """
    return {
        "title": title,
        "caption": caption,
        "columns": list(columns),
        "rows": [list(row) for row in rows],
    }
