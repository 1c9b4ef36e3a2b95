"""How sure, how steady and how much on the object the maps of each arm are."""

__all__ = ["MAP_MEASURES", "map_columns"]

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from figureground.base.seeds import generator
from figureground.maps import resize
from figureground.methods import CamMethod, Explainer
from figureground.metrics.localisation.pointing import energy_pointing_game, pointing_game
from figureground.metrics.uncertainty.views import standard_views
from figureground.studies.comparison.answers import Answer, Answers, over_runs
from figureground.studies.comparison.arms import TrainedRun
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.picture_sets import in_batches
from figureground.studies.evaluation.summaries import Column
from figureground.studies.evaluation.uncertainty_measures import (
    AskedNetwork,
    contest_of,
    instability_of,
    spread_of,
)

MAP_MEASURES = (
    Column("area", "area"),
    Column("entropy", "entropy"),
    Column("contested", "contested by the top 3 ↓"),
    Column("instability", "instability over views ↓"),
    Column("energy in boxes", "energy in boxes ↑"),
    Column("pointing", "pointing ↑"),
)
_TOP = 3

Columns = dict[str, Tensor]


def map_columns(
    answers: Answers,
    pictures: HeldOut,
    methods: Mapping[str, CamMethod],
    *,
    limit: int,
    batch_size: int = 32,
    told: Callable[[TrainedRun], None] = lambda _: None,
) -> dict[str, np.ndarray]:
    """Numbers per picture of the maps of the true class, averaged over the runs of an arm.

    Area, entropy and instability are of the true class's map; the contest is between the maps of the three best known
    classes. Maps are clamped at 0 and enlarged bilinearly. Blank maps are undefined; so are the last two measures
    where a picture has no boxes.

    Args:
        answers: Arm -> answers of its runs.
        pictures: The test pictures.
        methods: Row -> method.
        limit: So many pictures at most, drawn at random.
        batch_size: Pictures at a time.
        told: Called with every run that is done.

    Returns:
        ``row/measure`` -> ``(N,)``; rows are the arms, with the method where there are several.
    """
    found: dict[str, np.ndarray] = {}
    for arm, given in answers.items():
        values: dict[str, list[tuple[int, Tensor]]] = {}
        for one in given:
            for name, numbers in _of_run(one, pictures, methods, sizes=(limit, batch_size)).items():
                values.setdefault(name, []).append((one.key, numbers))
            told(one.run)
        for name, several in values.items():
            method, _, measure = name.rpartition("/")
            row = arm if len(methods) == 1 else f"{arm}, {method}"
            found[f"{row}/{measure}"] = over_runs(several).numpy()
    return found


def _of_run(
    one: Answer, pictures: HeldOut, methods: Mapping[str, CamMethod], *, sizes: tuple[int, int]
) -> Columns:
    """``method/measure`` -> numbers of a run."""
    limit, batch_size = sizes
    network = AskedNetwork(Explainer(one.run.classifier), methods)
    seen = pictures.of(one.run).view(one.run.classifier.preprocessing)
    drawn = torch.randperm(len(seen), generator=generator(pictures.seed))[:limit].sort().values
    parts: dict[str, list[Tensor]] = {}
    for rows, images in zip(
        torch.split(drawn, batch_size), in_batches(seen.pixels[drawn], batch_size), strict=True
    ):
        boxes = None if seen.boxes is None else [seen.boxes[row] for row in rows.tolist()]
        asked = (seen.labels[rows], one.known[rows])
        found = _of_batch(network, images.to(one.run.device), asked, boxes=boxes)
        for name, numbers in found.items():
            parts.setdefault(name, []).append(numbers)
    return {name: torch.cat(numbers) for name, numbers in parts.items()}


def _of_batch(
    network: AskedNetwork,
    images: Tensor,
    asked: tuple[Tensor, Tensor],
    *,
    boxes: list[Tensor] | None,
) -> Columns:
    """``method/measure`` -> numbers of a batch; ``asked`` are the true classes and the logits of the known ones."""
    labels, logits = (tensor.to(images.device) for tensor in asked)
    size = (int(images.shape[-2]), int(images.shape[-1]))
    top = logits.topk(min(_TOP, logits.shape[1]), dim=1).indices
    maps = network.maps(images, torch.cat([labels[:, None], top], 1))
    views = [(network, view) for view in standard_views()]
    unsteady = instability_of(views, images, labels, size=size)
    found: Columns = {}
    for row, stack in maps.items():
        numbers = spread_of(stack[:, 0], size)
        numbers["contested"] = contest_of(stack[:, 1:])
        numbers["instability"] = unsteady[row]
        found |= {f"{row}/{name}": torch.from_numpy(each) for name, each in numbers.items()}
        energy, pointing = _in_boxes(resize(stack[:, 0], size).cpu(), boxes)
        found |= {f"{row}/energy in boxes": energy, f"{row}/pointing": pointing}
    return found


def _in_boxes(maps: Tensor, boxes: list[Tensor] | None) -> tuple[Tensor, Tensor]:
    """Share of the positive mass in boxes, and whether the peak is in one; NaN where that cannot be said."""
    energy, pointing = (torch.full((len(maps),), torch.nan) for _ in range(2))
    if boxes is None:
        return energy, pointing
    flat = maps.flatten(1)
    shows = flat.isfinite().all(1) & (flat.amax(1) > flat.amin(1)) & (flat.amax(1) > 0)
    rows = [row for row in torch.nonzero(shows).flatten().tolist() if len(boxes[row])]
    if rows:
        some = [boxes[row] for row in rows]
        energy[rows] = energy_pointing_game(maps[rows], some)
        pointing[rows] = pointing_game(maps[rows], some, tolerance=0.0).float()
    return energy, pointing
