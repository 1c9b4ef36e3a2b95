"""Do the maps find the object? Boxes, peak and mass of every method, with thresholds chosen on images set aside."""

__all__ = ["Localisation"]

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int

from figureground.base.options import option
from figureground.base.shapes import Labels, Logits
from figureground.data.predicted_boxes import CORNERS
from figureground.studies.answers import Answer, answer, contrasts, row_name
from figureground.studies.evaluation.boxes import (
    FINDS,
    KNOWN,
    OVERLAPS,
    BoxEvaluation,
    Splits,
    draw_cases,
    frozen_positions,
    worst_and_best,
)
from figureground.studies.evaluation.chosen_thresholds import doubt_of_thresholds, oracle_table
from figureground.studies.evaluation.engine import Columns, Found, Measured
from figureground.studies.evaluation.image_set import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.mask_pixels import mask_columns, mask_tables
from figureground.studies.evaluation.subject import MapBatch, Subject
from figureground.studies.evaluation.tables import (
    Case,
    Chart,
    ImageProblem,
    Measure,
    difference_table,
    interval_table,
    known_mean,
    table,
)

_ZHOU = 0.2
_POINTLESS = "whole-image"


@dataclass(frozen=True, kw_only=True)
class Localisation(BoxEvaluation):
    """How well maps say where the object is, beside four maps that know no network.

    Args:
        classes: Whose maps: ``true``, ``predicted`` or ``both``.
        cases: How many of the worst and of the best images of each method are drawn.
        predictions: Files of boxes that somebody else predicted, which are measured instead of maps.
        prediction_corners: What the second corner of such a box is.
    """

    kind: ClassVar[str] = "localisation"
    question: ClassVar[str] = "Do the maps find the object?"
    baselines: ClassVar[tuple[str, ...]] = (
        "centre-box",
        "whole-image",
        "centre-gaussian",
        "brightness",
    )
    measures: ClassVar[tuple[Measure, ...]] = (
        *(Measure(f"box {one:g}", f"box acc @{one:g}") for one in OVERLAPS),
        Measure("v2", "box acc V2"),
        Measure("top-1", "Top-1 loc"),
        Measure("top-5", "Top-5 loc"),
        Measure("zhou", "GT-known @20 %"),
        Measure("zhou top-1", "Top-1 @20 %"),
        Measure("zhou top-5", "Top-5 @20 %"),
        Measure("pointing", "pointing"),
        Measure("energy", "energy"),
        Measure("rank accuracy", "rank accuracy"),
        Measure("blank", "blank maps"),
    )
    caption: ClassVar[str] = (
        "Per cent of the test images. box acc, Top-k: with the threshold that was best on the validation images "
        "(last column, one for each overlap), GT-known is box acc @0.5; V2: mean over the overlaps, all contours. "
        "@20 %: the threshold of Zhou et al. (2016), the same box rule, overlap 0.5. pointing: peak in a box or near; "
        "energy: share of the mass in the boxes; rank accuracy: share of the highest pixels, as many as the boxes "
        "have, that lie in them. A blank map misses."
    )

    classes: str = option("true", "Whose maps.", choices=("true", "predicted", "both"))
    cases: int = option(3, "Worst and best images shown of each method.", least=0)
    predictions: tuple[Path, ...] = option(
        (), "File of boxes that somebody else predicted, measured without a network: a line 'class x0 y0 x1 y1 ...' "
        "per image, or CSV (name,class,x0,y0,x1,y1); repeatable.", repeat=True,
    )  # fmt: skip
    prediction_corners: str | None = option(
        None, "Of predicted boxes. Default: inclusive in text files, half-open in CSV.", choices=CORNERS
    )  # fmt: skip

    def measure(self, batch: EvaluationBatch, network: Subject) -> Callable[[], Measured]:
        """Maps of the images that can be judged; measured while the next batch is explained."""
        keep, problems = _judged(batch, needs_labels=network.needs_labels)
        found = network(batch.part(keep)) if keep else None
        return partial(
            self._measured, batch, keep, rows=network.rows, found=found, problems=problems
        )

    def _measured(
        self,
        batch: EvaluationBatch,
        keep: list[int],
        *,
        rows: Sequence[str],
        found: MapBatch | None,
        problems: list[ImageProblem],
    ) -> Measured:
        """Columns of one batch; images that are not judged have empty numbers."""
        here, count = batch.part(keep), len(batch)
        size = (int(batch.images.shape[2]), int(batch.images.shape[3]))
        ranks = _true_ranks(found.logits if found else None, here.labels)
        columns = {
            "judged": np.isin(np.arange(count), keep),
            "rank": _spread(ranks, keep, count, empty=-1),
        }
        if found is None:
            return columns | self._nothing(rows, count, masks=batch.masks is not None), problems
        for row in rows:
            ready, points = row in found.ready, row != _POINTLESS
            measured = self.places(
                found.maps[row],
                here.boxes,
                size,
                whole=here.whole_boxes,
                ready=ready,
                points=points,
            )
            if here.masks is not None:
                shown, _ = self.post(found.maps[row].cpu(), size, ready=ready)
                tolerance = self.tolerance if points else None
                measured |= mask_columns(shown, here.masks, tolerance=tolerance)
            columns |= {
                f"{row}/{key}": _spread(values, keep, count) for key, values in measured.items()
            }
        return columns, [*problems, *found.problems]

    def _nothing(self, rows: Sequence[str], count: int, *, masks: bool) -> dict[str, np.ndarray]:
        """Columns of a batch in which no image can be judged."""
        none = self.places(torch.zeros(0, 1, 1), [], (1, 1))
        if masks:
            none |= mask_columns(torch.zeros(0, 1, 1), torch.zeros(0, 1, 1, dtype=torch.uint8))
        return {
            f"{row}/{key}": _spread(values, [], count)
            for row in rows
            for key, values in none.items()
        }

    def record_parts(self, found: Found) -> dict[str, Any]:
        """Frozen thresholds first, the oracle's after it and named so, then intervals and differences."""
        columns, network = found.columns, found.network
        splits = self.splits(columns)
        results = {row: self._result(columns, row, splits) for row in network.rows}
        values = {
            f"{row}/{key}": one
            for row, found in results.items()
            for key, one in found.values.items()
        }
        read, others = values.__getitem__, self.others(network)
        reference = next(iter(others.values()), network.rows[0])
        words = f" Maps: {self.post}. {len(splits.validation)} validation, {len(splits.test)} test images."
        doubt = self._doubt(results, network, validation=len(splits.validation))
        first = self._answer(values, network)
        return {
            "answer": replace(first, sentences=(*first.sentences, *doubt)),
            "images": len(splits.test),
            "options": {
                "validation images": f"{len(splits.validation)}, seed {self.seed}",
                "test images": str(len(splits.test)),
            },
            "tables": (
                self._frozen_table(results, words),
                oracle_table({row: (one.curves, one.oracle_v2) for row, one in results.items()}, self.shares),
                interval_table(read, network.rows, self.measures, title="Intervals, %", seed=self.seed),
                difference_table(
                    read, others, self.measures, title=f"Differences from {reference}, points", seed=self.seed
                ),
                *mask_tables(columns, network.rows, splits.test, seed=self.seed),
            ),
            "charts": tuple(self._charts(results)),
            "notes": (
                (
                    "read every row against the baselines: where a box in the centre does as well, the images say "
                    "little about the maps"
                ),
                *(f"{one} More validation images make them surer." for one in doubt),
            ),
            "cases": self._cases(columns, network, found.images, results=results, splits=splits),
        }  # fmt: skip

    def _answer(self, values: Mapping[str, np.ndarray], network: Subject) -> Answer:
        """Every method against the baseline that does best."""
        found = contrasts(
            values.__getitem__,
            {row: row_name(row) for row in network.own_rows},
            f"box {OVERLAPS[KNOWN]:g}",
            baselines={row: row_name(row) for row in self.baselines},
            question=FINDS,
            seed=self.seed,
        )
        return answer(FINDS, found, {row: row_name(row) for row in network.rows})

    def _doubt(
        self, results: Mapping[str, "_RowResult"], network: Subject, *, validation: int
    ) -> tuple[str, ...]:
        """That thresholds are noise, where they are."""
        own = {row_name(row): results[row] for row in network.own_rows}
        frozen = {name: one.values[f"box {OVERLAPS[KNOWN]:g}"] for name, one in own.items()}
        oracle = {name: float(one.curves[KNOWN].max()) for name, one in own.items()}
        told = doubt_of_thresholds(frozen, oracle, validation=validation, seed=self.seed)
        return (told,) if told else ()

    def _result(self, columns: Columns, row: str, splits: Splits) -> "_RowResult":
        """Choose one method's thresholds on the validation images and read the test images with them."""
        single, multi = self.hits(columns, row), self.hits(columns, row, "hits multi")
        frozen, frozen_multi = (
            frozen_positions(hits[splits.validation], self.shares) for hits in (single, multi)
        )
        test, test_multi = single[splits.test], multi[splits.test]
        rank = columns["rank"][splits.test]
        zhou = test[:, KNOWN, int(np.abs(self.shares - _ZHOU).argmin())]
        found = {f"box {one:g}": test[:, at, frozen[at]] for at, one in enumerate(OVERLAPS)}
        found["v2"] = np.mean(
            [test_multi[:, at, place] for at, place in enumerate(frozen_multi)], axis=0
        )
        found["zhou"] = zhou
        for prefix, box in (("", test[:, KNOWN, frozen[KNOWN]]), ("zhou ", zhou)):
            for top in (1, 5):
                found[f"{prefix}top-{top}"] = np.where(rank < 0, np.nan, box & (rank < top))
        found |= {
            key: columns[f"{row}/{key}"][splits.test]
            for key in ("pointing", "energy", "rank accuracy", "blank")
        }
        values = {key: 100 * one.astype(np.float64) for key, one in found.items()}
        thresholds = tuple(float(self.shares[at]) for at in frozen)
        oracle_v2 = 100 * float(test_multi.mean(0).max(1).mean())
        return _RowResult(values, frozen, thresholds, 100 * test.mean(0), oracle_v2)

    def _frozen_table(self, results: Mapping[str, "_RowResult"], words: str) -> dict[str, Any]:
        """Means on the test images."""
        lines = [
            [
                row,
                *(known_mean(found.values[one.key], 2) for one in self.measures),
                ", ".join(f"{at:.2g}" for at in found.thresholds),
            ]
            for row, found in results.items()
        ]
        names = ["method", *(one.title for one in self.measures), "thresholds"]
        title = "Localisation, thresholds frozen on the validation images, %"
        return table(title, names, lines, caption=self.caption + words)

    def _charts(self, results: Mapping[str, "_RowResult"]) -> Iterator[Chart]:
        """Accuracy over the threshold, one chart for each overlap."""
        shares = self.shares.round(4).tolist()
        for at, one in enumerate(OVERLAPS):
            yield Chart(
                f"Box accuracy at overlap {one:g}, test images",
                "threshold, fraction of the maximum",
                "images, %",
                {row: list(zip(shares, found.curves[at].round(3).tolist(), strict=True))
                 for row, found in results.items()},
                "the highest point is the oracle's; the number to report is at the frozen threshold",
            )  # fmt: skip

    def _cases(
        self,
        columns: Columns,
        network: Subject,
        images: EvaluationSet,
        *,
        results: Mapping[str, "_RowResult"],
        splits: Splits,
    ) -> tuple[Case, ...]:
        """The images on which each row that is no baseline does worst and best against the baseline that does best."""
        box = f"box {OVERLAPS[KNOWN]:g}"
        best = max(self.baselines, key=lambda row: results[row].values[box].mean())
        overlaps = {
            row: columns[f"{row}/overlap"][:, found.frozen[KNOWN]].astype(np.float64)
            for row, found in results.items()
        }
        wanted = {}
        for row in network.own_rows if self.cases else ():
            chosen = worst_and_best(overlaps[row] - overlaps[best], splits.test, self.cases)
            wanted[row] = [(kind, int(columns["row"][at])) for kind, at in chosen]
        thresholds = {row: found.thresholds[KNOWN] for row, found in results.items()}
        place = {int(row): at for at, row in enumerate(columns["row"])}
        beside = {row: round(float(overlaps[best][at]) / 255, 3) for row, at in place.items()}
        return tuple(
            draw_cases(self, network, images, wanted=wanted, thresholds=thresholds, beside=beside)
        )


@dataclass(frozen=True, eq=False)
class _RowResult:
    """One row of the tables.

    Args:
        values: Key -> value of each test image, per cent; NaN where not defined.
        frozen: Positions of the chosen thresholds, one for each overlap.
        thresholds: These thresholds.
        curves: Accuracy in per cent at each overlap and threshold on the test images, (O, T).
        oracle_v2: MaxBoxAccV2, every overlap at the threshold that is best on the test images.
    """

    values: dict[str, np.ndarray]
    frozen: tuple[int, ...]
    thresholds: tuple[float, ...]
    curves: np.ndarray
    oracle_v2: float


def _judged(batch: EvaluationBatch, *, needs_labels: bool) -> tuple[list[int], list[ImageProblem]]:
    """Positions of the images that can be judged, and why the others cannot."""
    keep, problems = [], []
    for at, name in enumerate(batch.names):
        if not len(batch.boxes[at]):
            problems.append(ImageProblem("not-judged", name, "left out of the numbers: no box"))
        elif needs_labels and batch.labels[at] < 0:
            reason = "left out of the numbers: no label, and the true class was asked for"
            problems.append(ImageProblem("not-judged", name, reason))
        else:
            keep.append(at)
    return keep, problems


def _spread(values: np.ndarray, keep: list[int], count: int, *, empty: int = 0) -> np.ndarray:
    """Values of some images in the places of all."""
    whole = np.full((count, *values.shape[1:]), empty, values.dtype)
    whole[keep] = values
    return whole


def _true_ranks(logits: Logits | None, labels: Labels) -> Int[np.ndarray, " N"]:
    """How many classes the model puts before the true one: 0 where it is right; -1 where it cannot be said."""
    if logits is None:
        return np.full(len(labels), -1, np.int64)
    known = labels.to(logits.device)
    own = logits.gather(1, known.clamp_min(0)[:, None])
    return torch.where(known < 0, -1, (logits > own).sum(1)).cpu().numpy()
