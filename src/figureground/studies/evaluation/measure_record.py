"""What the studies of faithfulness, robustness and uncertainty leave behind."""

__all__ = ["Curves", "MeasureRecord", "counted", "curves_of", "model_facts"]

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from figureground.base.record import Provenance
from figureground.capture import LayerChoice
from figureground.models import Classifier
from figureground.studies.evaluation.items import SetProblem


@dataclass(frozen=True)
class Curves:
    """A chart as numbers.

    Args:
        title: A few words.
        x_label: With unit.
        y_label: With unit.
        series: Name -> points ``(x, y)``.
        caption: What is good.
    """

    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    caption: str = ""


@dataclass(frozen=True)
class MeasureRecord:
    """A finished study; saved as ``record.json``, last, beside ``per_image.npz``.

    Args:
        kind: ``faithfulness``, ``robustness`` or ``uncertainty``.
        data: The pictures, in words.
        images: How many were measured.
        model: Name, layer, why that layer, preprocessing.
        methods: Row of the tables -> what it is.
        options: Everything that changes the numbers, in words.
        tables: Title, caption, columns, rows.
        curves: Charts.
        problems: Kind -> how often; nothing is dropped silently.
        examples_of_problems: Some of them in full.
        notes: What the reader must know.
        seconds: Wall-clock time of this run.
        provenance: Command, versions, machine, seeds.
        schema: Version of this form.
    """

    kind: str
    data: str
    images: int
    model: dict[str, str]
    methods: dict[str, str]
    options: dict[str, str]
    tables: tuple[dict[str, Any], ...]
    curves: tuple[Curves, ...]
    problems: dict[str, int]
    examples_of_problems: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    provenance: Provenance
    schema: int = 1


def model_facts(classifier: Classifier, layers: Sequence[LayerChoice]) -> dict[str, str]:
    """The model as a record tells of it.

    Args:
        classifier: The model.
        layers: Those that were explained.

    Returns:
        Name -> words.
    """
    return {
        "name": classifier.name,
        "layer": ", ".join(one.name.removeprefix("network.") for one in layers),
        "layer_reason": "; ".join(one.reason for one in layers),
        "preprocessing": repr(classifier.preprocessing),
    }


def counted(
    problems: Iterable[SetProblem], *, shown: int = 20
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Problems by kind, and some of them in full.

    Args:
        problems: All of them.
        shown: How many in full.

    Returns:
        Kind -> how often; and the first ones, in words.

    Examples:
        >>> counted([SetProblem("no-boxes", "a.png", "nothing is marked")] * 2, shown=1)
        ({'no-boxes': 2}, ('a.png: nothing is marked',))
    """
    several = list(problems)
    return dict(Counter(one.kind for one in several)), tuple(map(str, several[:shown]))


def curves_of(
    table: Mapping[str, np.ndarray], rows: Sequence[str], key: str, *, x: Sequence[float]
) -> dict[str, list[tuple[float, float]]]:
    """Mean curves over images, one per method.

    Args:
        table: Per-image curves ``(images, S)`` as ``method/key``; NaN where undefined.
        rows: The methods.
        key: Which curves.
        x: ``S`` places.

    Returns:
        Method -> points; methods without one defined curve are left out.
    """
    found = {}
    for row in rows:
        values = table[f"{row}/{key}"].astype(np.float64)
        known = values[~np.isnan(values).any(1)]
        if len(known):
            means = known.mean(0).round(5).tolist()
            found[row] = [(round(float(at), 4), y) for at, y in zip(x, means, strict=True)]
    return found
