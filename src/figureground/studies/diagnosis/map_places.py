"""Where the network's maps lie, beside what interventions say. Maps never decide."""

__all__ = ["MapPlaces", "map_units", "measure_maps", "places_table"]

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import HeadError, LayerError
from figureground.base.progress import Progress
from figureground.data.splits import random_subset
from figureground.maps import resize
from figureground.methods import Explainer
from figureground.metrics.faithfulness import spearman
from figureground.metrics.intervals import Interval, bootstrap_interval
from figureground.metrics.localisation import centre_gaussian, mass_inside, rank_accuracy
from figureground.models import Classifier
from figureground.models.predicting import device_of
from figureground.studies.diagnosis.crossing import Columns, Kept
from figureground.studies.diagnosis.findings import Findings, ends_of
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.diagnosis.scenes import Scenes
from figureground.studies.evaluation.tables import table

_MOST, _STEP = 100, 23  # images; added to the seed
_UNIT = "maps-00000"
_FEWEST = 10  # images of a correlation
_TITLES = {
    "map": "Grad-CAM of the true class",
    "other": "another image's Grad-CAM",
    "gaussian": "a bell in the middle",
    "uniform": "uniform",
}
_MATTERS = 0.05  # excess outside
_ON_OBJECT = "The maps lie on the objects far more than a uniform one, and yet the network rests on the background."
_OUTSIDE = "The maps lie outside the objects far more than a uniform one, yet the network does not rest on backgrounds."
_UNRELATED = (
    "Images whose maps lie further outside are not those that lose more on other backgrounds."
)


@dataclass(frozen=True, eq=False)
class MapPlaces:
    """Where maps of some images lie.

    Args:
        rows: Which scenes.
        inside: Kind of map -> share of its mass on the object; NaN where it lies nowhere.
        ranks: Kind of map -> rank accuracy.
        reasons: Why there is no map of an image; empty where there is one.
    """

    rows: Tensor
    inside: dict[str, Tensor]
    ranks: dict[str, Tensor]
    reasons: tuple[str, ...]


def map_units(scenes: Scenes, options: DiagnoseOptions) -> dict[str, Tensor]:
    """What is measured of maps.

    Args:
        scenes: The images.
        options: ``quick`` leaves maps out.

    Returns:
        Name of the unit of work -> a hundred images at most.
    """
    if options.quick:
        return {}
    return {_UNIT: random_subset(len(scenes), _MOST, options.seed + _STEP)}


def measure_maps(
    scenes: Scenes,
    classifier: Classifier,
    *,
    store: Kept,
    options: DiagnoseOptions,
    progress: Progress,
) -> MapPlaces | None:
    """Make the maps, unless an earlier run did.

    Args:
        scenes: The images.
        classifier: On its device.
        store: What is done already; the unit of ``map_units`` is among its wanted ones.
        options: Of the diagnosis.
        progress: Called before and after.

    Returns:
        Where they lie; None where none were asked for.
    """
    units = map_units(scenes, options)
    for unit, rows in units.items():
        if unit in store.unfinished():
            progress("making maps", 0, len(rows))
            store.add_columns(unit, _measured(scenes, classifier, rows, size=options.batch_size))
            progress("making maps", len(rows), len(rows))
    for _, columns in store.parts(units):
        numbers = {name: torch.from_numpy(one) for name, one in columns.items() if name != "reason"}
        return MapPlaces(
            numbers["row"],
            {name: numbers[name] for name in _TITLES},
            {name: numbers[f"{name}_rank"] for name in _TITLES},
            tuple(columns["reason"].tolist()),
        )
    return None


def places_table(places: MapPlaces, found: Findings) -> dict[str, Any]:
    """Maps beside interventions, disagreements named.

    Args:
        places: Where the maps lie.
        found: What the interventions say.

    Returns:
        A row for each kind of map.
    """
    count = len(places.rows)
    chance = 2 / max(1, count - 1) ** 0.5
    rows = [[title, *_cells(places, found, name)] for name, title in _TITLES.items()]
    caption = (
        f"{count} images. Share of a map's mass on the object, and of its highest pixels, as many as the object has; "
        "excess outside: how much more of the mass lies outside than of a uniform map's. Rank correlations of this "
        "excess with what each image loses on other backgrounds and with how far its background draws others; within "
        f"{chance:.2f} of 0 they may be chance. Blank: maps without a positive or with a non-finite value, in no "
        "mean. Maps can be wrong in both directions, and never decide."
    )
    reasons = [f"No map: {reason}." for reason in dict.fromkeys(filter(None, places.reasons))]
    told = [caption, *filter(None, [_disagreement(rows[0], found, chance)]), *reasons]
    columns = ["map", "mass inside", "from", "to", "rank accuracy", "excess outside", "from ", "to "]  # fmt: skip
    columns += ["with the loss", "with the pull", "blank"]
    return table("Maps beside interventions", columns, rows, caption=" ".join(told))


def _cells(places: MapPlaces, found: Findings, name: str) -> list[float | int | None]:
    """A row of the table, without its title."""
    mass, excess = places.inside[name], places.inside["uniform"] - places.inside[name]
    inside, ranks, outside = (_interval(one) for one in (mass, places.ranks[name], excess))
    told = [_correlation(excess, one[places.rows]) for one in (found.images.loss, found.images.pull)]  # fmt: skip
    rank = None if ranks is None else ranks.mean
    return [*ends_of(inside), rank, *ends_of(outside), *told, int(mass.isnan().sum())]


def _measured(scenes: Scenes, classifier: Classifier, rows: Tensor, *, size: int) -> Columns:
    """Numbers of the maps of these images and of what they are compared with."""
    masks = scenes.objects(rows, "given")
    reasons = np.full(len(rows), "", dtype=np.str_)
    try:
        maps = _maps(scenes, classifier, rows, size=size)
    except (LayerError, HeadError) as error:  # a network without maps; told in the table
        maps = torch.full(masks.shape, torch.nan)
        reasons = np.full(len(rows), str(error), dtype=np.str_)
    blank = masks[:, None].float()
    kinds = {
        "map": maps,
        "other": maps.roll(1, 0),
        "gaussian": centre_gaussian(blank),
        "uniform": torch.ones(masks.shape),
    }
    columns = {"row": rows.numpy(), "reason": reasons}
    for name, made in kinds.items():
        columns[name] = mass_inside(made, masks).numpy()
        columns[f"{name}_rank"] = rank_accuracy(made, masks).numpy()
    return columns


def _maps(scenes: Scenes, classifier: Classifier, rows: Tensor, *, size: int) -> Tensor:
    """Grad-CAM of the true class at the layer that the explainer chooses, at the size of the images."""
    explainer, made = Explainer(classifier), []
    device, channels = device_of(classifier), classifier.preprocessing.channels
    for part in torch.split(rows, size):
        images = scenes.images(part)
        found = explainer(images[:, :channels].to(device), scenes.labels[part].to(device))
        maps = found.maps["grad-cam"]
        assert isinstance(maps, Tensor)  # noqa: S101 - of one layer
        height, width = images.shape[2:]
        made.append(resize(maps[:, 0].float().cpu(), (height, width)))
    return torch.cat(made)


def _interval(values: Tensor) -> Interval | None:
    """Mean over the images that have a number."""
    return None if bool(values.isnan().all()) else bootstrap_interval(values, seed=0)


def _correlation(first: Tensor, second: Tensor) -> float | None:
    """Of the ranks, where there are enough numbers that differ."""
    known = ~first.isnan() & ~second.isnan()
    if int(known.sum()) < _FEWEST:
        return None
    one, other = (values[known].double().float()[None, None] for values in (first, second))
    found = float(spearman(one, other))
    return None if np.isnan(found) else found


def _disagreement(row: list[Any], found: Findings, chance: float) -> str:
    """Where maps and interventions say different things, a sentence."""
    low, high, with_loss = row[6], row[7], row[8]
    word = found.verdict.word
    if high is not None and high < -_MATTERS and word == "rests on":
        return _ON_OBJECT
    if low is not None and low > _MATTERS and word == "does not":
        return _OUTSIDE
    unrelated = with_loss is not None and with_loss < chance and word == "rests on"
    return _UNRELATED if unrelated else ""
