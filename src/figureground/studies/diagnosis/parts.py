"""What the cue is: parts of backgrounds that speak for a class. It decides nothing."""

__all__ = [
    "Parts",
    "draw_parts",
    "measure_parts",
    "part_units",
    "parts_table",
]

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from figureground.base.errors import HeadError, LayerError
from figureground.base.progress import Progress
from figureground.base.seeds import generator
from figureground.capture import Directions, LayerChoice, choose_layer, run_once
from figureground.data.splits import random_subset
from figureground.metrics.reliance import Carrier, carriers
from figureground.models import Classifier
from figureground.models.predicting import device_of
from figureground.studies.diagnosis.crossing import Columns, Crossing, Kept
from figureground.studies.diagnosis.findings import ends_of
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.diagnosis.pictures import picture
from figureground.studies.diagnosis.scenes import Scenes
from figureground.studies.evaluation.tables import table

_UNIT = "parts-00000"
_MOST, _STEP = 300, 29  # images; added to the seed
_KINDS, _SIDE, _DIMENSIONS = 24, 8, 64  # of positions; cells a side; of their features
_OBJECT = 0.05  # share of a cell
_MOST_PARTS, _MOST_DRAWN, _WIDTH = 5, 12, 96


@dataclass(frozen=True, eq=False)
class Parts:
    """Positions of backgrounds, a row each.

    Args:
        rows: Which scene.
        places: ``(P, 2)``, row and column of the cell.
        kinds: Which of 24 kinds.
        contributions: What the position adds to the logit of the class, less the mean over classes.
        size: Cells of the grid, ``(h, w)``.
    """

    rows: Tensor
    places: Tensor
    kinds: Tensor
    contributions: Tensor
    size: tuple[int, int]


def part_units(scenes: Scenes, options: DiagnoseOptions) -> dict[str, Tensor]:
    """What is measured of parts of backgrounds.

    Args:
        scenes: The images.
        options: ``quick`` leaves parts out.

    Returns:
        Name of the unit of work -> three hundred images at most.
    """
    if options.quick:
        return {}
    return {_UNIT: random_subset(len(scenes), _MOST, options.seed + _STEP)}


def measure_parts(
    scenes: Scenes,
    classifier: Classifier,
    *,
    store: Kept,
    options: DiagnoseOptions,
    progress: Progress,
) -> Parts | None:
    """Look at the positions of the last feature map, unless an earlier run did.

    Args:
        scenes: The images.
        classifier: On its device.
        store: What is done already; the unit of ``part_units`` is among its wanted ones.
        options: Of the diagnosis.
        progress: Called before and after.

    Returns:
        The positions in backgrounds; None where none were asked for, or the network has no layer with positions.
    """
    units = part_units(scenes, options)
    for unit, rows in units.items():
        if unit in store.unfinished():
            progress("looking at backgrounds", 0, len(rows))
            store.add_columns(unit, _measured(scenes, classifier, rows, options=options))
            progress("looking at backgrounds", len(rows), len(rows))
    for _, columns in store.parts(units):
        found = {name: torch.from_numpy(one) for name, one in columns.items()}
        if len(found["row"]):
            size = (int(found["height"][0]), int(found["width"][0]))
            places = torch.stack([found["y"], found["x"]], 1)
            return Parts(found["row"], places, found["kind"], found["contribution"], size)
    return None


def parts_found(parts: Parts, crossing: Crossing, *, seed: int) -> tuple[Carrier, ...]:
    """Kinds of parts that speak for a class.

    Args:
        parts: The positions.
        crossing: With the labels.
        seed: Of the intervals.

    Returns:
        The surest first.
    """
    rows, images = torch.unique(parts.rows, return_inverse=True)
    labels = crossing.labels[rows]
    return carriers(parts.kinds, images, labels, contributions=parts.contributions, seed=seed)


def parts_table(found: tuple[Carrier, ...], names: list[str]) -> list[dict[str, Any]]:
    """The pairs of a kind of part and a class.

    Args:
        found: The pairs.
        names: Of the classes that occur.

    Returns:
        One table; none without pairs.
    """
    rows = [
        [names[one.label], one.kind, one.inside, one.outside, *ends_of(one.carry), one.found]
        for one in found[:20]
    ]
    caption = (
        f"Positions of the last feature map outside the objects, in {_KINDS} kinds by their features (k-means), of "
        f"{_MOST} images at most. A kind speaks for a class where it is commoner in its images and adds to its logit: "
        "the sum over the positions of an image, less the mean over all classes, by gradient times activation. Found: "
        "by Fisher's exact test at a false discovery rate of 5 %, and surely above 0. Positions beside an object see "
        "a part of it. The verdict does not use this."
    )
    columns = [
        "class",
        "kind of part",
        "in its images",
        "in others",
        "adds to the logit",
        "from",
        "to",
        "found",
    ]
    return (
        [table("Parts of backgrounds that speak for a class", columns, rows, caption=caption)]
        if rows
        else []
    )


def draw_parts(
    found: tuple[Carrier, ...], parts: Parts, crossing: Crossing, *, names: list[str]
) -> tuple[dict[str, Any], ...]:
    """Crops of the parts that were found, a dozen of each: the strongest of every image.

    Args:
        found: The pairs.
        parts: The positions.
        crossing: With the images.
        names: Of the classes that occur.

    Returns:
        Class, shares, contribution and pictures.
    """
    drawn = []
    first: dict[int, Carrier] = {}
    for one in found:  # one of each class
        if one.found:
            first.setdefault(one.label, one)
    for one in [*first.values()][:_MOST_PARTS]:
        mine = (parts.kinds == one.kind) & (crossing.labels[parts.rows] == one.label)
        at = mine.nonzero().flatten()
        at = at[parts.contributions[at].argsort(descending=True)]
        seen: dict[int, int] = {}
        for position in at.tolist():
            seen.setdefault(int(parts.rows[position]), position)
        crops = [
            _crop(crossing.scenes, parts, position) for position in [*seen.values()][:_MOST_DRAWN]
        ]
        drawn.append(
            {
                "class": names[one.label],
                "inside": round(one.inside, 3),
                "outside": round(one.outside, 3),
                "adds": [one.carry.mean, one.carry.low, one.carry.high],
                "pictures": [picture(crop, _WIDTH) for crop in crops],
            }
        )
    return tuple(drawn)


def _measured(
    scenes: Scenes, classifier: Classifier, rows: Tensor, *, options: DiagnoseOptions
) -> Columns:
    """Features and contributions of positions outside the objects, the features as kinds."""
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to import

    try:
        layer = choose_layer(classifier, _taken(scenes, classifier, rows[:1]))
        found = [
            _positions(scenes, classifier, some, layer=layer)
            for some in torch.split(rows, options.batch_size)
        ]
    except (LayerError, HeadError):  # a network without positions: the table of maps says why
        found = []
    whole = {name: torch.cat([one[name] for one in found]) for name in (found[0] if found else ())}
    if not found or not len(whole["row"]):
        names = ("row", "y", "x", "height", "width", "kind")
        empty = {name: np.zeros(0, np.int64) for name in names}
        return empty | {"contribution": np.zeros(0, np.float32)}
    features = whole.pop("features")
    if features.shape[1] > _DIMENSIONS:  # distances survive a random projection
        draws = generator(options.seed + _STEP)
        features = features @ torch.randn(features.shape[1], _DIMENSIONS, generator=draws)
    count = min(_KINDS, len(torch.unique(features, dim=0)))
    kinds = KMeans(count, n_init=2, random_state=options.seed).fit_predict(features.numpy())
    return {name: one.numpy() for name, one in whole.items()} | {"kind": kinds.astype(np.int64)}


def _taken(scenes: Scenes, classifier: Classifier, rows: Tensor) -> Tensor:
    """Images as the network takes them."""
    images = scenes.images(rows)[:, : classifier.preprocessing.channels]
    return images.to(device_of(classifier))


def _positions(
    scenes: Scenes, classifier: Classifier, rows: Tensor, *, layer: LayerChoice
) -> dict[str, Tensor]:
    """Of a batch."""
    run = run_once(classifier, _taken(scenes, classifier, rows), [layer], gradient=True)
    weights = F.one_hot(scenes.labels[rows], run.logits.shape[1]).float()
    centred = (weights - weights.mean(1, keepdim=True))[:, None].to(run.logits.device)
    values = run.activations[layer.name].float()
    slopes = run.gradients(Directions(dense=centred))[layer.name][:, 0]
    size = (min(_SIDE, values.shape[2]), min(_SIDE, values.shape[3]))
    pool = partial(F.adaptive_avg_pool2d, output_size=size)
    in_a_cell = values[0, 0].numel() / (size[0] * size[1])
    sums = pool((values * slopes).sum(1, keepdim=True))[:, 0].cpu() * in_a_cell
    features = F.normalize(pool(values).cpu(), dim=1).movedim(1, 3)
    covered = pool(scenes.objects(rows, "outer")[:, None].float())[:, 0]
    image, y, x = places = (covered < _OBJECT).nonzero().unbind(1)
    return {
        "row": rows[image],
        "y": y,
        "x": x,
        "contribution": sums[places],
        "features": features[places],
        "height": torch.full_like(y, size[0]),
        "width": torch.full_like(x, size[1]),
    }


def _crop(scenes: Scenes, parts: Parts, position: int) -> Tensor:
    """A position with the cells around it, the object grey."""
    row = parts.rows[position : position + 1]
    hidden = scenes.objects(row, "given")[:, None]
    image = torch.where(hidden, torch.tensor(0.5), scenes.images(row))
    ends = []
    for at, cells, side in zip(
        parts.places[position].tolist(), parts.size, image.shape[2:], strict=True
    ):
        first = max(0, min(at - 1, cells - 3))
        ends.append(slice(round(first * side / cells), round(min(cells, first + 3) * side / cells)))
    return image[:, :, ends[0], ends[1]]
