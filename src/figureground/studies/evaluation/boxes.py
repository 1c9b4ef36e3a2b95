"""Where maps point: boxes at every threshold, peak and mass; thresholds are chosen on images set aside and frozen."""

__all__ = [
    "FINDS",
    "KNOWN",
    "OVERLAPS",
    "BoxEvaluation",
    "Splits",
    "draw_cases",
    "frozen_positions",
    "hits_of",
    "worst_and_best",
]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.options import option
from figureground.base.shapes import Maps
from figureground.data.splits import split_by_group
from figureground.maps import draw_boxes, overlay
from figureground.maps.boxes import boxes_from_map
from figureground.maps.image_files import thumbnail
from figureground.maps.post_processing import PostProcessing, is_constant
from figureground.metrics.localisation.box_accuracy import (
    BOX_RULES,
    box_table,
    choose_threshold,
    default_thresholds,
    iou,
)
from figureground.metrics.localisation.map_mass import rank_accuracy
from figureground.metrics.localisation.pointing import energy_pointing_game, pointing_game
from figureground.metrics.reliance.composites import filled_boxes
from figureground.studies.answers import Question
from figureground.studies.evaluation.engine import Columns, MapEvaluation
from figureground.studies.evaluation.image_set import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.tables import Case

OVERLAPS = (0.3, 0.5, 0.7)
"""Intersections over union that make a hit."""

KNOWN = OVERLAPS.index(0.5)
"""Which of them "GT-known localisation" means."""

FINDS = Question(
    claim="finds the object",
    measure="at IoU 0.5",
    label="images whose box overlaps a true one by half or more, %; 95 % intervals",
)
"""What is asked of maps and of boxes that others predicted."""

_PANEL = "Boxes"


@dataclass(frozen=True, eq=False)
class Splits:
    """Which rows of the per-image numbers belong to which split.

    Args:
        validation: Thresholds are chosen on these.
        test: Numbers are reported on these.
    """

    validation: Int[np.ndarray, " V"]
    test: Int[np.ndarray, " S"]


@dataclass(frozen=True, kw_only=True)
class BoxEvaluation(MapEvaluation):
    """An evaluation in which maps become boxes and points: the one home of these defaults.

    Args:
        normalise: ``minmax``, or ``max``, where zero stays zero.
        map_resize: How maps are brought to the size of the view.
        box_rule: ``clova``, the published evaluation code's, or ``pixels``, the region of most pixels.
        step: Distance of two thresholds, a fraction of the maximum.
        tolerance: Of the pointing game, pixels.
        validation_share: Fraction of the images on which thresholds are chosen.

    Raises:
        OptionError: The fraction does not lie between 0 and 1, or ``max`` with signed maps.
    """

    needs_multi: ClassVar[bool] = True

    normalise: str = option("minmax", "minmax or max.", choices=("minmax", "max"), panel=_PANEL)
    map_resize: str = option(
        "bilinear",
        "How maps are enlarged.",
        choices=("bilinear", "cubic", "nearest", "tf1"),
        panel=_PANEL,
    )
    box_rule: str = option(
        "clova", "clova (the published evaluation code's) or pixels (region of most pixels).",
        choices=tuple(BOX_RULES), panel=_PANEL,
    )  # fmt: skip
    step: float = option(0.01, "Distance of two thresholds.", least=0.001, most=0.5, panel=_PANEL)
    tolerance: float = option(15.0, "Of the pointing game, pixels.", least=0, panel=_PANEL)
    validation_share: float = option(
        0.2,
        "Fraction of the images on which thresholds are chosen; they are not reported.",
        panel=_PANEL,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.validation_share < 1:
            raise OptionError(
                f"the validation share must lie between 0 and 1, got {self.validation_share}"
            )
        self.post  # noqa: B018 - checks that the options go together

    @property
    def post(self) -> PostProcessing:
        """From raw maps to maps in [0, 1]."""
        return PostProcessing(not self.signed, self.normalise, self.map_resize)

    @property
    def shares(self) -> np.ndarray:
        """The thresholds, fractions of the maximum, (T,)."""
        return default_thresholds(self.step)

    def places(
        self,
        maps: Maps,
        boxes: Sequence[Tensor],
        size: tuple[int, int],
        *,
        whole: Sequence[Tensor] | None = None,
        ready: bool = False,
        points: bool = True,
    ) -> dict[str, np.ndarray]:
        """Boxes, peak and mass of raw maps of images that all have boxes.

        Args:
            maps: ``(N, h, w)``.
            boxes: For each image at least one, xyxy pixels of the view, half-open.
            size: Height and width of the view.
            whole: The same boxes in whole pixels, for the rule of the published code; ``boxes`` where None.
            ready: The maps lie in [0, 1] already.
            points: Whether the maps have a peak at all; where not, ``pointing``, ``energy`` and ``rank accuracy`` are
                NaN.

        Returns:
            ``hits`` and ``hits multi``: bits ``(N, O, T/8)`` for each overlap and threshold; ``overlap``: of the single
            box in 1/255, rounded down, for sorting images; ``pointing``; ``energy``; ``rank accuracy``; ``blank``. A
            blank map has no box and no peak: it misses; its energy and rank accuracy are not defined.
        """
        shown, blank = self.post(maps.cpu(), size, ready=ready)
        if points:
            blank |= is_constant(shown)
        count, good = len(shown), (~blank).nonzero()[:, 0].tolist()
        tables = np.zeros((2, count, len(self.shares)), np.float32)
        pointing = np.full(count, 0 if points else np.nan, np.float32)
        energy, ranks = np.full((2, count), np.nan, np.float32)
        if good:
            seen, true = shown[good], [boxes[at] for at in good]
            cut = true if whole is None or self.box_rule != "clova" else [whole[at] for at in good]
            found = box_table(seen, cut, shares=self.shares, rule=self.box_rule)
            tables[:, good] = found.single, found.multi
            if points:
                pointing[good] = pointing_game(seen, true, tolerance=self.tolerance)
                energy[good] = energy_pointing_game(seen, true)
                ranks[good] = rank_accuracy(seen, filled_boxes(true, size))
        columns = {
            "hits": _packed(tables[0]),
            "overlap": (tables[0] * 255).astype(np.uint8),
            "pointing": pointing,
            "energy": energy,
            "rank accuracy": ranks,
            "blank": blank.numpy().astype(np.uint8),
        }
        return columns | ({"hits multi": _packed(tables[1])} if self.needs_multi else {})

    def splits(self, columns: Columns) -> Splits:
        """A random division of the judged images; entries of one image stay on one side.

        Args:
            columns: Per-image numbers with ``name`` and ``judged``.

        Returns:
            Positions of each split, in order.

        Raises:
            DataError: There are not two images to divide.
        """
        names, judged = columns["name"].tolist(), columns["judged"].astype(bool)
        found = split_by_group(names, judged, fraction=self.validation_share, seed=self.seed)
        return Splits(*found)

    def hits(self, columns: Columns, row: str, key: str = "hits") -> Bool[np.ndarray, "N O T"]:
        """Whether each image is right at each overlap and threshold."""
        return hits_of(columns[f"{row}/{key}"], len(self.shares))


def frozen_positions(hits: Bool[np.ndarray, "N O T"], shares: np.ndarray) -> tuple[int, ...]:
    """Position of the best threshold for each overlap.

    Args:
        hits: Of the validation images.
        shares: The thresholds.

    Returns:
        One position for each overlap.
    """
    tables = (torch.from_numpy(hits[:, at].astype(np.float32)) for at in range(hits.shape[1]))
    return tuple(choose_threshold(table, shares, overlap=1.0).position for table in tables)


def hits_of(packed: UInt8[np.ndarray, "N O P"], thresholds: int) -> Bool[np.ndarray, "N O T"]:
    """Hits from their bits.

    Args:
        packed: As they are stored.
        thresholds: How many there are.

    Returns:
        Whether each image is right at each overlap and threshold.

    Examples:
        >>> hits_of(np.array([[[0b10100000]]], np.uint8), 3).tolist()
        [[[True, False, True]]]
    """
    return np.unpackbits(packed, axis=2, count=thresholds).astype(bool)


def _packed(table: np.ndarray) -> np.ndarray:
    """Bits (N, O, T/8): whether each overlap is reached."""
    reached = table[:, None, :] >= np.array(OVERLAPS, np.float32)[:, None]
    return np.packbits(reached, axis=2)


_TRUE, _FOUND = "#ffd400", "#00b8d9"
_SIDE, _BATCH = 200, 16


def worst_and_best(
    overlaps: np.ndarray, test: Int[np.ndarray, " S"], count: int
) -> list[tuple[str, int]]:
    """Which images to show.

    Args:
        overlaps: Of every image, (N,), or how far it lies above a baseline's.
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
    beside: Mapping[int, float] | None = None,
) -> list[Case]:
    """Make the maps of a few images again and draw them.

    Args:
        evaluation: Says how maps become boxes.
        network: Makes the maps.
        images: The set.
        wanted: Row of the tables -> kind and position in the set.
        thresholds: Row -> fraction of the maximum for its box.
        beside: Position in the set -> overlap of the baseline's box.

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
                    told = (method, kind, one.names[0], label, overlap, image)
                    drawn[method, row] = Case(*told, (beside or {}).get(row))
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
    rule = evaluation.box_rule
    single, true = BOX_RULES[rule][0], (batch.whole_boxes if rule == "clova" else batch.boxes)[0]
    cut = boxes_from_map(ready[0], [threshold], area=single.area, convention=single.convention)
    box = cut.boxes[:1] + torch.tensor([0.0, 0, 1, 1])  # what the rules write is inclusive
    image = overlay(batch.images.cpu(), raw, relu=not evaluation.signed)[0]
    image = draw_boxes(draw_boxes(image, true, colour=_TRUE), box, colour=_FOUND)
    return thumbnail(image.numpy(), _SIDE), round(iou(box, true).max().item(), 3)


def _class_name(network: Subject, label: int) -> str:
    if network.classifier is None or label < 0:
        return str(label)
    return network.classifier.class_name(label)
