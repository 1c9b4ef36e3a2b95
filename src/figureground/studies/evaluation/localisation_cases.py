"""The worst and the best boxes of each method, as small pictures that a page can hold."""

__all__ = ["Case", "Drawing", "draw_cases", "worst_and_best"]

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from figureground.maps import draw_boxes, overlay
from figureground.maps.boxes import boxes_from_map
from figureground.metrics.localisation.overlap import iou
from figureground.studies.evaluation.box_table import BOX_RULES
from figureground.studies.evaluation.post_processing import PostProcessing
from figureground.studies.evaluation.sets import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.sources import MapBatch, MapSource

_TRUE, _FOUND = "#ffd400", "#00b8d9"
_SIDE = 200
_BATCH = 16


@dataclass(frozen=True)
class Case:
    """One map of one picture.

    Args:
        method: Row of the tables.
        kind: ``worst`` or ``best``.
        name: Of the picture.
        label: Its class, in words.
        overlap: Of the box at the frozen threshold with a true one.
        picture: Map, true boxes (yellow) and found box (blue), as a data address.
    """

    method: str
    kind: str
    name: str
    label: str
    overlap: float
    picture: str


@dataclass(frozen=True)
class Drawing:
    """How maps become boxes and pictures.

    Args:
        post: How maps are made ready.
        thresholds: Method -> share of the maximum for its box.
        rule: How boxes are cut.
        class_name: Words for a class index.
    """

    post: PostProcessing
    thresholds: Mapping[str, float]
    rule: str
    class_name: Callable[[int], str]


def worst_and_best(
    overlaps: np.ndarray, test: Int[np.ndarray, " S"], count: int
) -> list[tuple[str, int]]:
    """Which pictures to show.

    Args:
        overlaps: Of every picture, (N,).
        test: Positions of the test part.
        count: How many of each kind.

    Returns:
        Kind and position: the worst first, then the best, each picture once.

    Examples:
        >>> worst_and_best(np.array([0.5, 0.1, 0.9]), np.array([0, 1, 2]), 1)
        [('worst', 1), ('best', 2)]
    """
    order = test[np.argsort(overlaps[test], kind="stable")].tolist()
    count = min(count, len(order) // 2)
    worst = [("worst", at) for at in order[:count]]
    return worst + [("best", at) for at in order[::-1][:count]]


def draw_cases(
    pictures: EvaluationSet,
    source: MapSource,
    wanted: Mapping[str, Sequence[tuple[str, int]]],
    *,
    drawing: Drawing,
) -> list[Case]:
    """Make the maps of a few pictures again and draw them.

    Args:
        pictures: The set.
        source: Of the maps.
        wanted: Method -> kind and row of the set.
        drawing: How maps become boxes.

    Returns:
        The cases, method by method, in the order asked for.
    """
    rows = sorted({row for some in wanted.values() for _, row in some})
    drawn: dict[tuple[str, int], Case] = {}
    for batch in pictures.batches(_BATCH, rows):
        found = source(batch) if len(batch) else MapBatch({})
        at_of = {row: at for at, row in enumerate(batch.rows.tolist())}
        for method, raw in found.maps.items():
            for kind, row in wanted.get(method, ()):
                if row in at_of:
                    one, at = batch.part([at_of[row]]), at_of[row]
                    case = _case(method, raw[at : at + 1].cpu(), batch=one, drawing=drawing)
                    drawn[method, row] = replace(case, kind=kind)
    return [
        drawn[method, row]
        for method, some in wanted.items()
        for _, row in some
        if (method, row) in drawn
    ]


def _case(method: str, raw: Tensor, *, batch: EvaluationBatch, drawing: Drawing) -> Case:
    """One picture with one map."""
    height, width = batch.images.shape[2:]
    ready, _ = drawing.post(raw, (height, width))
    box = _box(ready[0], drawing.thresholds[method], drawing.rule)
    picture = overlay(batch.images.cpu(), raw, relu=drawing.post.relu)[0]
    picture = draw_boxes(
        draw_boxes(picture, batch.boxes[0].cpu(), colour=_TRUE), box, colour=_FOUND
    )
    label = drawing.class_name(int(batch.labels[0]))
    overlap = iou(box, batch.boxes[0].cpu()).max().item()
    return Case(method, "", batch.names[0], label, round(overlap, 3), _data_address(picture))


def _box(one_map: Tensor, threshold: float, rule: str) -> Tensor:
    """The box of a map at one threshold, half-open, (1, 4); what the rules write is inclusive."""
    single = BOX_RULES[rule][0]
    cut = boxes_from_map(one_map, [threshold], area=single.area, convention=single.convention)
    return cut.boxes[:1] + torch.tensor([0.0, 0, 1, 1])


def _data_address(picture: Tensor) -> str:
    """A small JPEG as a data address."""
    small = Image.fromarray(picture.numpy())
    small.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
