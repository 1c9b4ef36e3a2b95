"""What an evaluation leaves behind."""

__all__ = ["Case", "Chart", "EvaluationRecord", "ImageProblem", "counted", "model_description"]

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from figureground.base.record import Provenance
from figureground.capture import LayerChoice
from figureground.models import Classifier


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
        kind: ``worst`` or ``best``.
        name: Of the image.
        label: Its class.
        overlap: Intersection over union of the box at the frozen threshold with a true one.
        picture: Map, true boxes (yellow) and found box (blue), as a data address.
    """

    method: str
    kind: str
    name: str
    label: str
    overlap: float
    picture: str


@dataclass(frozen=True)
class EvaluationRecord:
    """A finished evaluation; saved as ``record.json``, last, beside ``per_image.npz``.

    Args:
        kind: Name of the evaluation, as in the registry.
        title: The question that it answers.
        data: Description of the images.
        images: How many images the numbers are of.
        model: Name, layer, why that layer, preprocessing.
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
    schema: int = 2


def model_description(
    classifier: Classifier | None, layers: Sequence[LayerChoice] = ()
) -> dict[str, str]:
    """The model as a record describes it.

    Args:
        classifier: The model; None where none takes part.
        layers: Those that were explained.

    Returns:
        Name, preprocessing and, where layers were explained, these and why they were chosen.
    """
    if classifier is None:
        return {}
    explained = {
        "layer": ", ".join(one.name.removeprefix("network.") for one in layers),
        "layer_reason": "; ".join(one.reason for one in layers),
    }
    described = {"name": classifier.name, "preprocessing": repr(classifier.preprocessing)}
    return described | (explained if layers else {})


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
