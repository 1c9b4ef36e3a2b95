"""How sure, how steady and how much on the object the maps of each arm are."""

__all__ = ["MEASURES", "map_columns"]

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from figureground.data.splits import random_subset
from figureground.maps import resize
from figureground.methods import CamMethod
from figureground.metrics.localisation.pointing import energy_pointing_game, pointing_game
from figureground.metrics.uncertainty.augmentations import standard_augmentations
from figureground.models.predicting import in_batches
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.predictions import Prediction, Predictions, over_runs
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.tables import Measure
from figureground.studies.evaluation.uncertainty import (
    MAP_MEASURES,
    class_overlap_of,
    spread_of,
    variation_of,
)
from figureground.studies.training.runs import TrainedRun

MEASURES = (
    *MAP_MEASURES,
    Measure("variation", "variation over augmentations ↓"),
    Measure("energy in boxes", "energy in boxes ↑"),
    Measure("pointing", "pointing ↑"),
)
_TOP = 3


def map_columns(
    predictions: Predictions,
    images: HeldOut,
    methods: Mapping[str, CamMethod],
    *,
    limit: int,
    batch_size: int = 32,
    report: Callable[[TrainedRun], None] = lambda _: None,
    note: Callable[..., None] | None = None,
) -> dict[str, np.ndarray]:
    """Numbers per image of the maps of the true class, averaged over the runs of an arm.

    Area, entropy and variation are of the true class's map; the class overlap is between the maps of the three best
    known classes. Maps are clamped at 0 and enlarged bilinearly. Blank maps are undefined; so are the last two measures
    where an image has no boxes.

    Args:
        predictions: Arm -> predictions of its runs.
        images: The test images.
        methods: Row -> method.
        limit: So many images at most, drawn at random.
        batch_size: Images at a time.
        report: Called with every run that is done.
        note: Called with the mean of every measure of every run, as ``Findings.note`` is; NaN where undefined.

    Returns:
        ``row/measure`` -> ``(N,)``; rows are the arms, with the method where there are several.
    """
    found: dict[str, np.ndarray] = {}
    for arm, given in predictions.items():
        values: dict[str, list[tuple[int, Tensor]]] = {}
        for one in given:
            for name, numbers in _of_run(one, images, methods, sizes=(limit, batch_size)).items():
                values.setdefault(name, []).append((one.key, numbers))
                if note is not None:
                    note(
                        f"maps: {_short(name, methods)}",
                        one,
                        arm=arm,
                        value=float(numbers.nanmean()),
                    )
            report(one.run)
        for name, several in values.items():
            method, _, measure = name.rpartition("/")
            row = arm if len(methods) == 1 else f"{arm}, {method}"
            found[f"{row}/{measure}"] = over_runs(several).numpy()
    return found


def _short(name: str, methods: Mapping[str, CamMethod]) -> str:
    """``method/measure`` as a reader has it."""
    method, _, measure = name.rpartition("/")
    return measure if len(methods) == 1 else f"{method}, {measure}"


def _of_run(
    one: Prediction, images: HeldOut, methods: Mapping[str, CamMethod], *, sizes: tuple[int, int]
) -> dict[str, Tensor]:
    """``method/measure`` -> numbers of a run."""
    limit, batch_size = sizes
    network = Subject(one.run.classifier, methods)
    seen = images.of(one.run).view(one.run.classifier.preprocessing)
    drawn = random_subset(len(seen), limit, seed=images.seed)
    parts: dict[str, list[Tensor]] = {}
    for rows, batch in zip(
        torch.split(drawn, batch_size), in_batches(seen.pixels[drawn], batch_size), strict=True
    ):
        top = one.known[rows].topk(min(_TOP, one.known.shape[1]), dim=1).indices
        classes = torch.cat([seen.labels[rows][:, None], top], 1)
        boxes = None if seen.boxes is None else [seen.boxes[row] for row in rows.tolist()]
        found = _of_batch(
            network, batch.to(network.device), classes.to(network.device), boxes=boxes
        )
        for name, numbers in found.items():
            parts.setdefault(name, []).append(numbers.float().cpu())
    return {name: torch.cat(numbers) for name, numbers in parts.items()}


def _of_batch(
    network: Subject, images: Tensor, classes: Tensor, *, boxes: list[Tensor] | None
) -> dict[str, Tensor]:
    """``method/measure`` -> numbers of a batch; the first class is the true one, the others are the best known ones."""
    size = (int(images.shape[-2]), int(images.shape[-1]))
    maps = {row: stack.relu() for row, stack in network.maps(images, classes).items()}
    runs = [(network, one) for one in standard_augmentations()]
    unsteady = variation_of(runs, images, classes[:, 0])
    found: dict[str, Tensor] = {}
    for row, stack in maps.items():
        energy, pointing = _in_boxes(resize(stack[:, 0], size).cpu(), boxes)
        numbers = spread_of(stack[:, 0], size) | {
            "overlap": class_overlap_of(stack[:, 1:]),
            "variation": unsteady[row],
            "energy in boxes": energy,
            "pointing": pointing,
        }
        found |= {f"{row}/{name}": each for name, each in numbers.items()}
    return found


def _in_boxes(maps: Tensor, boxes: list[Tensor] | None) -> tuple[Tensor, Tensor]:
    """Share of the positive mass in boxes, and whether the peak is in one; NaN where that cannot be said."""
    energy, pointing = (torch.full((len(maps),), torch.nan) for _ in range(2))
    flat = maps.flatten(1)
    shows = flat.isfinite().all(1) & (flat.amax(1) > flat.amin(1)) & (flat.amax(1) > 0)
    rows = [row for row in shows.nonzero()[:, 0].tolist() if boxes is not None and len(boxes[row])]
    if rows and boxes is not None:
        some = [boxes[row] for row in rows]
        energy[rows] = energy_pointing_game(maps[rows], some)
        pointing[rows] = pointing_game(maps[rows], some, tolerance=0.0).float()
    return energy, pointing
