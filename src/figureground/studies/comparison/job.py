"""The parts of a comparison, one after another."""

__all__ = ["CompareWatch", "Job"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from figureground.methods import CamMethod, find_methods
from figureground.metrics.robustness.corruptions import SEVERITIES
from figureground.studies.comparison.answers import Answers, answers_of
from figureground.studies.comparison.arms import Arm, TrainedRun
from figureground.studies.comparison.corrupted import corrupted_accuracy, corruption_tables
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.map_uncertainty import MAP_MEASURES, map_columns
from figureground.studies.comparison.ood import ood_table
from figureground.studies.comparison.over_seeds import RunValues, seeds_table
from figureground.studies.comparison.pictures import Sheet, picture_sheet
from figureground.studies.comparison.quality import (
    mcnemar_table,
    quality_columns,
    quality_tables,
    quality_values,
)
from figureground.studies.comparison.record import CompareOptions
from figureground.studies.comparison.unknown_sets import UnknownSet
from figureground.studies.evaluation.measure_record import Curves
from figureground.studies.evaluation.summaries import Column, difference_table, interval_table

CompareWatch = Callable[[str, int, int], None]
"""Called with what is being done, and how many of how many runs are through with it."""

_QUALITY = (Column("accuracy", "accuracy ↑"), Column("nll", "NLL ↓"))
_CORRUPTED = Column("corrupted", "corrupted accuracy ↑")
_DIFFERENCES = (
    "Arm less reference on the same pictures, averaged over the runs of each arm. 95 % percentile bootstrap of the "
    "paired differences, 2,000 resamples: pictures are drawn anew, runs are not, so the interval holds for these very "
    "networks; how much training seeds matter is told by the standard deviations above."
)
_MAPS = (
    "Of the true class's map, at half of its range where a threshold is needed. {} pictures drawn at random; 95 % "
    "bootstrap over pictures after averaging over the runs. Small area and entropy are concentrated maps, which is not "
    "good by itself; undefined: blank maps, or pictures without boxes."
)
_CONCEPTS = (
    "Of the factorized features of the pictures shown: share of the energy of concepts whose best class is "
    "background."
)


@dataclass
class Job:
    """What was found so far.

    Args:
        arms: The first is the reference.
        pictures: To test on.
        options: What to compare.
        watch: Told of progress.
        answers: Arm -> answers of its runs.
        tables: As records hold them.
        curves: Charts.
        columns: ``arm/measure`` -> numbers per picture.
        values: Measure -> arm -> seed -> number per run.
    """

    arms: Sequence[Arm]
    pictures: HeldOut
    options: CompareOptions
    watch: CompareWatch
    answers: Answers = field(default_factory=dict)
    tables: list[dict[str, Any]] = field(default_factory=list)
    curves: list[Curves] = field(default_factory=list)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    values: RunValues = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The first arm."""
        return self.arms[0].name

    @property
    def methods(self) -> dict[str, CamMethod]:
        """Row -> method."""
        return find_methods(self.options.methods)

    def told(self, stage: str, times: int = 1) -> Callable[[TrainedRun], None]:
        """Counts runs for whoever watches."""
        total = times * sum(len(arm.runs) for arm in self.arms)
        done = 0

        def tell(_run: TrainedRun) -> None:
            nonlocal done
            done += 1
            self.watch(stage, done, total)

        self.watch(stage, 0, total)
        return tell

    def quality(self) -> None:
        """Accuracy, calibration, differences, McNemar."""
        size, told = self.options.batch_size, self.told("test pictures")
        self.answers = answers_of(self.arms, self.pictures, batch_size=size, told=told)
        self.columns |= quality_columns(self.answers)
        self.values |= quality_values(self.answers)
        self.tables += quality_tables(self.answers)
        self.tables.append(self.differences(_QUALITY, "Differences"))
        self.tables.append(mcnemar_table(self.answers, self.reference))

    def unknown(self, sets: Sequence[UnknownSet]) -> None:
        """How well unknown pictures are told from known ones."""
        if sets:
            size, told = self.options.batch_size, self.told("unknown pictures", len(sets))
            table = ood_table(self.answers, sets, batch_size=size, told=told, values=self.values)
            self.tables.append(table)

    def corruption(self) -> None:
        """Accuracy on corrupted pictures."""
        names, options = self.options.corruptions, self.options
        if not options.corrupted or not names:
            return
        found = corrupted_accuracy(
            self.answers, self.pictures, names=names, limit=options.corrupted,
            batch_size=options.batch_size, told=self.told("corrupted pictures"),
        )  # fmt: skip
        self.columns |= {f"{arm}/{_CORRUPTED.key}": one.per_picture for arm, one in found.items()}
        self.values[_CORRUPTED.title] = {
            arm: {
                one.run.seed: float(mean)
                for one, mean in zip(self.answers[arm], kept.accuracy.mean((1, 2)), strict=True)
            }
            for arm, kept in found.items()
        }
        self.tables += corruption_tables(found, names)
        self.tables.append(self.differences((_CORRUPTED,), "Corrupted pictures: differences"))
        series = {
            arm: [(0.0, float(one.clean.mean())), *_points(one.accuracy)]
            for arm, one in found.items()
        }
        words = ("Accuracy under corruption", "severity", "accuracy")
        self.curves.append(
            Curves(*words, series, "Mean over corruptions and runs; higher is better.")
        )

    def maps(self) -> None:
        """Area, entropy, contest, instability, boxes."""
        if not self.options.maps:
            return
        methods, told = self.methods, self.told("maps")
        found = map_columns(
            self.answers, self.pictures, methods, limit=self.options.maps, told=told
        )
        self.columns |= found
        rows = list(dict.fromkeys(name.rpartition("/")[0] for name in found))
        measures = [
            m
            for m in MAP_MEASURES
            if not all(np.isnan(found[f"{row}/{m.key}"]).all() for row in rows)
        ]
        title = f"Maps: {', '.join(methods)}"
        table = interval_table(
            self.columns.__getitem__, rows, measures, title=title, seed=self.options.seed
        )
        table["caption"] = _MAPS.format(len(next(iter(found.values()))))
        self.tables.append(_of_arms(table))
        pairs: dict[str, str] = {}
        for method in [""] if len(methods) == 1 else [f", {name}" for name in methods]:
            pairs |= {f"{arm.name}{method}": f"{self.reference}{method}" for arm in self.arms[1:]}
        self.tables.append(self.differences(measures, f"{title}: differences", pairs))

    def over_seeds(self) -> None:
        """What training again would change."""
        table = seeds_table(self.values, self.reference)
        if table is not None:
            self.tables.append(table)

    def sheet(self) -> Sheet | None:
        """Pictures side by side."""
        if not self.options.pictures:
            return None
        method = next(iter(self.methods.values()))
        self.watch("pictures", 0, 1)
        found = picture_sheet(
            self.answers, self.pictures, method, count=self.options.pictures, seed=self.options.seed
        )
        self.watch("pictures", 1, 1)
        if found.background_share:
            rows = [[arm, round(share, 4)] for arm, share in found.background_share.items()]
            columns = ["arm", "background's share"]
            table = {"title": "Concepts", "caption": _CONCEPTS, "columns": columns, "rows": rows}
            self.tables.append(table)
        return found

    def differences(
        self, measures: Sequence[Column], title: str, pairs: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Every arm less the reference."""
        others = pairs or {arm.name: self.reference for arm in self.arms[1:]}
        table = difference_table(
            self.columns.__getitem__, others, measures, title=title, seed=self.options.seed
        )
        table["caption"] = _DIFFERENCES
        return _of_arms(table)


def _points(accuracy: np.ndarray) -> list[tuple[float, float]]:
    """Severity and mean accuracy."""
    means = accuracy.mean((0, 1)).round(5).tolist()
    return [(float(s), mean) for s, mean in zip(SEVERITIES, means, strict=True)]


def _of_arms(table: dict[str, Any]) -> dict[str, Any]:
    """The same table, its rows called arms."""
    return table | {"columns": ["arm" if name == "method" else name for name in table["columns"]]}
