"""Images that show what an evaluation found: where a map does worst and best against the baseline."""

__all__ = ["draw_against", "extremes"]

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from figureground.maps import overlay
from figureground.maps.image_files import thumbnail
from figureground.studies.evaluation.boxes import worst_and_best
from figureground.studies.evaluation.image_set import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.tables import Case

_COUNT, _SIDE, _BATCH = 3, 200, 16


def draw_against(
    network: Subject,
    images: EvaluationSet,
    places: Sequence[int],
    *,
    own: Mapping[str, Float[np.ndarray, " N"]],
    baseline: Float[np.ndarray, " N"] | None = None,
    measure: str,
    signed: bool = False,
    changed: Callable[[EvaluationBatch], EvaluationBatch] | None = None,
) -> tuple[Case, ...]:
    """The three worst and the three best images of some rows, their maps made again and drawn.

    Args:
        network: Makes the maps.
        images: The set.
        places: Position in the set of each value.
        own: Row -> value of each image; NaN where undefined. More is better.
        baseline: The same of the baseline; None where there is none.
        measure: Name of the value.
        signed: Whether negative values of the maps are kept.
        changed: Makes other images of a batch, whose maps are drawn to the right of the first ones.

    Returns:
        The cases, row by row, the worst first.
    """
    chosen: dict[str, list[tuple[str, int]]] = {}
    for row, values in own.items():
        above = values if baseline is None else values - baseline
        chosen[row] = worst_and_best(above, np.flatnonzero(~np.isnan(above)), _COUNT)
    needed = {(row, int(places[at])) for row, some in chosen.items() for _, at in some}
    wanted = sorted({place for _, place in needed})
    drawn: dict[tuple[str, int], dict[str, Any]] = {}
    for batch in images.batches(_BATCH, wanted):
        seen = [batch] if changed is None else [batch, changed(batch)]
        maps = [network(one.on(network.device)).maps if len(one) else {} for one in seen]
        for at, place in enumerate(batch.rows.tolist()):
            about = {"name": batch.names[at], "label": _name(network, int(batch.labels[at]))}
            for row in (one for one in own if (one, place) in needed):
                pictures = [
                    overlay(
                        one.images[at : at + 1].cpu(),
                        found[row][at : at + 1].cpu(),
                        relu=not signed,
                    )[0].numpy()
                    for one, found in zip(seen, maps, strict=True)
                ]
                side = _SIDE * len(pictures)
                drawn[row, place] = about | {"picture": thumbnail(_beside(pictures), side)}
    return tuple(
        Case(
            method=row,
            kind=kind,
            overlap=round(float(own[row][at]), 3),
            baseline_overlap=None if baseline is None else round(float(baseline[at]), 3),
            measure=measure,
            **drawn[row, int(places[at])],
        )
        for row, some in chosen.items()
        for kind, at in some
        if (row, int(places[at])) in drawn
    )


def extremes(
    images: EvaluationSet,
    places: Sequence[int],
    values: Mapping[tuple[str, str], Float[np.ndarray, " N"]],
    *,
    labels: Sequence[str],
    measure: str,
) -> tuple[Case, ...]:
    """The images of the highest values as they are, without maps.

    Args:
        images: The set.
        places: Position in the set of each value.
        values: Row and what the images are there -> value of each image; NaN where it is not to be shown.
        labels: Class of each image, in words.
        measure: Name of the value's size, by which it is shown.

    Returns:
        Three cases at most of each row and kind, the highest first.
    """
    chosen = {
        key: [int(at) for at in np.argsort(-one, kind="stable")[:_COUNT] if not np.isnan(one[at])]
        for key, one in values.items()
    }
    wanted = sorted({int(places[at]) for some in chosen.values() for at in some})
    drawn: dict[int, tuple[str, str]] = {}
    for batch in images.batches(_BATCH, wanted):
        levels = batch.images.cpu().mul(255).round().to(torch.uint8).movedim(1, -1)
        for name, row, picture in zip(batch.names, batch.rows.tolist(), levels, strict=True):
            colour = picture[..., :3] if picture.shape[-1] >= 3 else picture[..., :1]
            drawn[row] = (name, thumbnail(colour.expand(-1, -1, 3).contiguous().numpy(), _SIDE))
    return tuple(
        Case(
            method=row,
            kind=kind,
            name=drawn[int(places[at])][0],
            label=labels[at],
            overlap=round(abs(float(values[row, kind][at])), 4),
            picture=drawn[int(places[at])][1],
            measure=measure,
        )
        for (row, kind), some in chosen.items()
        for at in some
        if int(places[at]) in drawn
    )


def _beside(pictures: Sequence[UInt8[np.ndarray, "H W 3"]]) -> UInt8[np.ndarray, "H V 3"]:
    """Pictures side by side with a thin white line between them."""
    line = np.full((len(pictures[0]), max(1, pictures[0].shape[1] // 32), 3), 255, np.uint8)
    parts = [part for one in pictures for part in (line, one)]
    return np.concatenate(parts[1:], axis=1)


def _name(network: Subject, label: int) -> str:
    """A class in words; of an unlabelled image nothing."""
    if label < 0:
        return "no label"
    return str(label) if network.classifier is None else network.classifier.class_name(label)
