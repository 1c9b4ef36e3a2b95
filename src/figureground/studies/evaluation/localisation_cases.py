"""The worst and the best boxes of each method, as small pictures that a page can hold."""

__all__ = ["Case", "draw_cases", "worst_and_best"]

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from figureground.maps import draw_boxes, overlay
from figureground.maps.boxes import boxes_from_map
from figureground.studies.evaluation.box_table import BOX_RULES
from figureground.studies.evaluation.post_processing import PostProcessing
from figureground.studies.evaluation.sets import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.sources import MapSource

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

    Example:
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
    post: PostProcessing,
    thresholds: Mapping[str, float],
    rule: str,
) -> list[Case]:
    """Make the maps of a few pictures again and draw them.

    Args:
        pictures: The set.
        source: Of the maps.
        wanted: Method -> kind and row of the set.
        post: How maps are made ready.
        thresholds: Method -> share of the maximum for its box.
        rule: How boxes are cut.

    Returns:
        The cases, method by method, in the order asked for.
    """
    rows = sorted({row for some in wanted.values() for _, row in some})
    drawn: dict[tuple[str, int], Case] = {}
    for batch in pictures.batches(_BATCH, rows):
        if not len(batch):
            continue
        found = source(batch)
        for method, some in wanted.items():
            maps, _ = post(found.maps[method].cpu(), pictures.view_size, ready=method in found.ready)
            for at, row in enumerate(batch.rows.tolist()):
                if row in {one for _, one in some}:
                    box = boxes_at(maps[at], thresholds[method], rule)
                    drawn[method, row] = _case(method, batch.part([at]), maps[at], box)
    return [
        _named(drawn[method, row], kind, pictures)
        for method, some in wanted.items()
        for kind, row in some
        if (method, row) in drawn
    ]


def boxes_at(one_map: Tensor, threshold: float, rule: str) -> Tensor:
    """The box of a map at one threshold, half-open, (1, 4); what the rule writes is inclusive."""
    single = BOX_RULES[rule][0]
    cut = boxes_from_map(one_map, [threshold], area=single.area, convention=single.convention)
    return cut.boxes[:1] + torch.tensor([0.0, 0, 1, 1])
