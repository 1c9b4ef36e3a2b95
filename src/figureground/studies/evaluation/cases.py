"""The worst and the best boxes of each method, as small images that a page can hold."""

__all__ = ["draw_cases", "worst_and_best"]

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from figureground.maps import draw_boxes, overlay
from figureground.maps.boxes import boxes_from_map
from figureground.maps.image_files import thumbnail
from figureground.metrics.localisation.box_table import BOX_RULES
from figureground.metrics.localisation.overlap import iou
from figureground.studies.evaluation.boxes import BoxEvaluation
from figureground.studies.evaluation.image_set import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.record import Case
from figureground.studies.evaluation.subject import Subject

_TRUE, _FOUND = "#ffd400", "#00b8d9"
_SIDE, _BATCH = 200, 16


def worst_and_best(
    overlaps: np.ndarray, test: Int[np.ndarray, " S"], count: int
) -> list[tuple[str, int]]:
    """Which images to show.

    Args:
        overlaps: Of every image, (N,).
        test: Positions of the test images.
        count: How many of each kind.

    Returns:
        Kind and position: the worst first, then the best, each image once.

    Examples:
        >>> worst_and_best(np.array([0.5, 0.1, 0.9]), np.array([0, 1, 2]), 1)
        [('worst', 1), ('best', 2)]
    """
    order = test[np.argsort(overlaps[test], kind="stable")].tolist()
    count = min(count, len(order) // 2)
    worst = [("worst", at) for at in order[:count]]
    return worst + [("best", at) for at in order[::-1][:count]]


def draw_cases(
    evaluation: BoxEvaluation,
    network: Subject,
    images: EvaluationSet,
    *,
    wanted: Mapping[str, Sequence[tuple[str, int]]],
    thresholds: Mapping[str, float],
) -> list[Case]:
    """Make the maps of a few images again and draw them.

    Args:
        evaluation: Says how maps become boxes.
        network: Makes the maps.
        images: The set.
        wanted: Row of the tables -> kind and position in the set.
        thresholds: Row -> fraction of the maximum for its box.

    Returns:
        The cases, row by row, in the order asked for.
    """
    rows = sorted({row for some in wanted.values() for _, row in some})
    drawn: dict[tuple[str, int], Case] = {}
    for batch in images.batches(_BATCH, rows):
        maps = network(batch.on(network.device)).maps if len(batch) else {}
        at_of = {row: at for at, row in enumerate(batch.rows.tolist())}
        for method in wanted.keys() & maps.keys():
            for kind, row in wanted[method]:
                if row in at_of:
                    at, threshold = at_of[row], thresholds[method]
                    raw, one = maps[method][at : at + 1].cpu(), batch.part([at])
                    image, overlap = _drawn(evaluation, raw, one, threshold=threshold)
                    label = _class_name(network, int(one.labels[0]))
                    drawn[method, row] = Case(method, kind, one.names[0], label, overlap, image)
    return [
        drawn[method, row]
        for method, some in wanted.items()
        for _, row in some
        if (method, row) in drawn
    ]


def _drawn(
    evaluation: BoxEvaluation, raw: Tensor, batch: EvaluationBatch, *, threshold: float
) -> tuple[str, float]:
    """One image with one map and its boxes, and their overlap."""
    size = (int(batch.images.shape[2]), int(batch.images.shape[3]))
    ready, _ = evaluation.post(raw, size)
    single, true = BOX_RULES[evaluation.box_rule][0], batch.boxes[0].cpu()
    cut = boxes_from_map(ready[0], [threshold], area=single.area, convention=single.convention)
    box = cut.boxes[:1] + torch.tensor([0.0, 0, 1, 1])  # what the rules write is inclusive
    image = overlay(batch.images.cpu(), raw, relu=not evaluation.signed)[0]
    image = draw_boxes(draw_boxes(image, true, colour=_TRUE), box, colour=_FOUND)
    return thumbnail(image.numpy(), _SIDE), round(iou(box, true).max().item(), 3)


def _class_name(network: Subject, label: int) -> str:
    if network.classifier is None or label < 0:
        return str(label)
    return network.classifier.class_name(label)
