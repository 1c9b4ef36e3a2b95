"""Images that show what an evaluation found: where a map does worst and best against the baseline."""

__all__ = ["draw_against"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from figureground.maps import overlay
from figureground.maps.image_files import thumbnail
from figureground.studies.evaluation.boxes import worst_and_best
from figureground.studies.evaluation.image_set import EvaluationSet
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.tables import Case

_COUNT, _SIDE, _BATCH = 3, 200, 16


def draw_against(
    network: Subject,
    images: EvaluationSet,
    places: Sequence[int],
    *,
    own: Mapping[str, Float[np.ndarray, " N"]],
    baseline: Float[np.ndarray, " N"],
    measure: str,
    signed: bool = False,
) -> tuple[Case, ...]:
    """The three worst and the three best images of some rows, their maps made again and drawn.

    Args:
        network: Makes the maps.
        images: The set.
        places: Position in the set of each value.
        own: Row -> value of each image; NaN where undefined. More is better.
        baseline: The same of the baseline.
        measure: Name of the value.
        signed: Whether negative values of the maps are kept.

    Returns:
        The cases, row by row, the worst first.
    """
    chosen: dict[str, list[tuple[str, int]]] = {}
    for row, values in own.items():
        known = np.flatnonzero(~np.isnan(values - baseline))
        chosen[row] = worst_and_best(values - baseline, known, _COUNT)
    wanted = sorted({int(places[at]) for some in chosen.values() for _, at in some})
    drawn: dict[tuple[str, int], dict[str, Any]] = {}
    for batch in images.batches(_BATCH, wanted):
        maps = network(batch.on(network.device)).maps if len(batch) else {}
        for at, place in enumerate(batch.rows.tolist()):
            image, label = batch.images[at : at + 1].cpu(), int(batch.labels[at])
            about = {"name": batch.names[at], "label": _name(network, label)}
            for row in own:
                picture = overlay(image, maps[row][at : at + 1].cpu(), relu=not signed)[0]
                drawn[row, place] = about | {"picture": thumbnail(picture.numpy(), _SIDE)}
    return tuple(
        Case(
            method=row,
            kind=kind,
            overlap=round(float(own[row][at]), 3),
            baseline_overlap=round(float(baseline[at]), 3),
            measure=measure,
            **drawn[row, int(places[at])],
        )
        for row, some in chosen.items()
        for kind, at in some
        if (row, int(places[at])) in drawn
    )


def _name(network: Subject, label: int) -> str:
    """A class in words; of an unlabelled image nothing."""
    if label < 0:
        return "no label"
    return str(label) if network.classifier is None else network.classifier.class_name(label)
