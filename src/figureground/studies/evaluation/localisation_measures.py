"""All localisation measures of one batch, as compact columns with one row per picture."""

__all__ = ["LocalisationGrid", "hits_of", "localisation_columns", "true_ranks"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from figureground.base.shapes import Labels, Logits, Maps
from figureground.metrics.localisation.best_overlap import default_thresholds
from figureground.metrics.localisation.pixel_ap import pixel_histograms
from figureground.studies.evaluation.box_table import box_table
from figureground.studies.evaluation.sets import EvaluationBatch

_PIXEL_STEP = 0.01
_ZHOU = 0.2


@dataclass(frozen=True)
class LocalisationGrid:
    """What is looked at for every map.

    Args:
        step: Distance of two thresholds, a share of the maximum.
        overlaps: Intersections over union that make a hit.
        rule: How boxes are cut and compared: ``clova`` or ``pixels``.
        tolerance: Of pointing, pixels of the view.
    """

    step: float = 0.01
    overlaps: tuple[float, ...] = (0.3, 0.5, 0.7)
    rule: str = "clova"
    tolerance: float = 15.0

    @property
    def shares(self) -> np.ndarray:
        """The thresholds, (T,)."""
        return default_thresholds(self.step)

    @property
    def zhou(self) -> int:
        """Position of the threshold of the first paper on class activation maps: 20 %, or the nearest to it."""
        return int(np.abs(self.shares - _ZHOU).argmin())

    @property
    def known(self) -> int:
        """Which of the overlaps "GT-known localisation" means: 0.5, or the nearest to it."""
        return int(np.abs(np.array(self.overlaps) - 0.5).argmin())


def localisation_columns(
    shown: tuple[Maps, Bool[Tensor, " N"]],
    batch: EvaluationBatch,
    *,
    grid: LocalisationGrid,
    points: bool = True,
) -> dict[str, np.ndarray]:
    """Everything that localisation is judged by, for one row of the tables.

    A blank map has no box and no peak: it misses; its energy is not defined.

    Args:
        shown: Maps ``(N, H, W)`` in [0, 1], at the size of the view; and which of them show nothing.
        batch: The pictures; each whose map is not blank has at least one box.
        grid: What is looked at.
        points: Whether the maps point anywhere at all; where not, pointing and energy are not defined.

    Returns:
        ``hits`` and ``hits multi``: bits, one for each overlap and threshold; ``overlap``: of the single
        box in 1/255, rounded down, for ranking pictures; ``pointing``; ``energy``; ``blank``; and
        ``pixels``, counts of object and background pixels by score, where there are masks.
    """
    maps, blank = shown
    count, shares = len(batch), grid.shares
    tables = [np.zeros((count, len(shares)), np.float32) for _ in range(2)]
    pointing = np.zeros(count, np.float32)
    energy = np.full(count, np.nan, np.float32)
    good = (~blank).nonzero()[:, 0].tolist()
    if good:
        seen, true = maps[good], [batch.boxes[at] for at in good]
        found = box_table(seen, true, shares=shares, rule=grid.rule)
        tables[0][good], tables[1][good] = found.single, found.multi
        if points:
            pointing[good], energy[good] = _peak_and_mass(seen.numpy(), true, grid.tolerance)
    columns = {
        "hits": _packed(tables[0], grid.overlaps),
        "hits multi": _packed(tables[1], grid.overlaps),
        "overlap": (tables[0] * 255).astype(np.uint8),
        "pointing": pointing if points else np.full(count, np.nan, np.float32),
        "energy": energy,
        "blank": blank.numpy().astype(np.uint8),
    }
    return columns | _pixels(maps, batch)


def hits_of(packed: UInt8[np.ndarray, "N O P"], thresholds: int) -> Bool[np.ndarray, "N O T"]:
    """Hits from their bits.

    Args:
        packed: As ``localisation_columns`` keeps them.
        thresholds: How many there are.

    Returns:
        Whether each picture is right at each overlap and threshold.

    Examples:
        >>> hits_of(np.array([[[0b10100000]]], np.uint8), 3).tolist()
        [[[True, False, True]]]
    """
    return np.unpackbits(packed, axis=2, count=thresholds).astype(bool)


def true_ranks(logits: Logits | None, labels: Labels) -> Int[np.ndarray, " N"]:
    """How many classes the model puts before the true one.

    Args:
        logits: Of the model; None where none ran.
        labels: Class indices; -1 where unknown.

    Returns:
        0 where the model is right; -1 where it cannot be said.

    Examples:
        >>> true_ranks(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([0, -1])).tolist()
        [1, -1]
    """
    if logits is None:
        return np.full(len(labels), -1, np.int64)
    known = labels.to(logits.device)
    own = logits.gather(1, known.clamp_min(0)[:, None])
    ranks = torch.where(known < 0, -1, (logits > own).sum(1))
    return ranks.cpu().numpy()


def _packed(table: np.ndarray, overlaps: Sequence[float]) -> np.ndarray:
    """Bits (N, O, T/8): whether each overlap is reached."""
    reached = table[:, None, :] >= np.array(overlaps, np.float32)[:, None]
    return np.packbits(reached, axis=2)


def _peak_and_mass(
    maps: np.ndarray, boxes: Sequence[Tensor], tolerance: float
) -> tuple[list[bool], list[float]]:
    """``pointing_game`` and ``energy_pointing_game``, without the checks that these maps have passed."""
    near, share = [], []
    for one_map, true in zip(maps, boxes, strict=True):
        corners = true.cpu().double().numpy()
        row, column = divmod(int(one_map.argmax()), one_map.shape[1])
        point = np.array([column, row], np.float64)
        beyond = np.maximum(corners[:, :2] - point, point - (corners[:, 2:] - 1)).clip(0)
        near.append(bool(np.hypot(*beyond.T).min() <= tolerance))
        inside = np.zeros(one_map.shape, bool)
        for x0, y0, x1, y1 in corners.round().astype(int).tolist():
            inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
        total = one_map.sum(dtype=np.float64)
        share.append(float(one_map.sum(where=inside, dtype=np.float64) / total))
    return near, share


def _pixels(maps: Tensor, batch: EvaluationBatch) -> dict[str, np.ndarray]:
    """Counts of object and background pixels by score, (N, 2, 100)."""
    if batch.masks is None:
        return {}
    counts = pixel_histograms(maps, batch.masks, thresholds=default_thresholds(_PIXEL_STEP))
    return {"pixels": counts.numpy().astype(np.int32)}
