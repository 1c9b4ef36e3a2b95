"""Do the maps find the object? Boxes, peak and mass of every method, with thresholds chosen on pictures set aside."""

__all__ = ["study_localisation"]

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from figureground.base.errors import unknown_option
from figureground.base.record import provenance, write_json
from figureground.models import Classifier
from figureground.studies.evaluation.batch_job import job_digest
from figureground.studies.evaluation.kept import Kept
from figureground.studies.evaluation.localisation_batches import measure_localisation
from figureground.studies.evaluation.localisation_cases import (
    Case,
    Drawing,
    draw_cases,
    worst_and_best,
)
from figureground.studies.evaluation.localisation_options import (
    LocalisationOptions,
    LocalisationRecord,
)
from figureground.studies.evaluation.localisation_results import (
    Parts,
    RowResult,
    row_result,
    split_parts,
)
from figureground.studies.evaluation.localisation_tables import localisation_tables, pixel_tables
from figureground.studies.evaluation.measure_record import Curves, counted, model_facts
from figureground.studies.evaluation.other_sources import BaselineMaps, SeveralSources
from figureground.studies.evaluation.sets import EvaluationSet
from figureground.studies.evaluation.sources import MapSource
from figureground.studies.progress import Watch, unwatched

_BASELINES = ("centred-box", "whole-image", "centre-gaussian", "brightness")
_CENTRE_NOTE = (
    "read every row against the baselines: where a centred box does as well, "
    "the pictures say little about the maps"
)


def study_localisation(
    pictures: EvaluationSet,
    source: MapSource,
    *,
    out: Path,
    classifier: Classifier | None = None,
    options: LocalisationOptions | None = None,
    watch: Watch = unwatched,
) -> LocalisationRecord:
    """How well the maps of a source say where the object is, and what four maps say that know no network.

    Thresholds are chosen on a random part of the pictures and frozen; numbers are of the others. The
    numbers of every picture are kept, so that a run that was stopped goes on.

    Args:
        pictures: The set, with boxes.
        source: Whose maps; any.
        out: Gets ``per_image.npz`` and, last, ``record.json``.
        classifier: The model behind the maps, for the record and class names; None where there is none.
        options: What to measure.
        watch: Told of progress.

    Returns:
        The record.

    Raises:
        OptionError: The reference does not exist, or the validation share is out of range.
        DataError: There are not two pictures with boxes.
    """
    began = time.perf_counter()
    study = _Localisation(pictures, source, options or LocalisationOptions())
    kept = Kept(out, study.digest(classifier), overwrite=study.options.overwrite)
    (out / "record.json").unlink(missing_ok=True)
    table = measure_localisation(
        pictures, study.source, kept=kept, options=study.options, watch=watch
    )
    kept.join(out / "per_image.npz")
    problems, examples = counted([*pictures.problems, *kept.problems()])
    results, parts = study.results(table)
    record = LocalisationRecord(
        kind="localisation",
        data=pictures.source,
        images=len(parts.test),
        model={} if classifier is None else model_facts(classifier, source.layers),
        methods=study.source.facts,
        options=study.settings | study.division(parts),
        tables=study.tables(table, results, parts),
        curves=study.curves(results),
        problems=problems,
        examples_of_problems=examples,
        notes=(*(classifier.notes if classifier else ()), *pictures.notes, _CENTRE_NOTE),
        seconds=round(time.perf_counter() - began, 1),
        provenance=provenance(seeds=(study.options.seed,)),
        cases=study.cases(table, results, parts, classifier=classifier),
    )
    write_json(out / "record.json", record)
    return record


class _Localisation:
    """The study of one source of maps on one set."""

    def __init__(
        self, pictures: EvaluationSet, source: MapSource, options: LocalisationOptions
    ) -> None:
        self.options = options
        self.source = SeveralSources([source, BaselineMaps(_BASELINES)])
        self._given = source
        self._pictures = pictures
        self._reference = options.reference or self.source.rows[0]
        if self._reference not in self.source.rows:
            raise unknown_option("row to compare with", self._reference, self.source.rows)

    @property
    def settings(self) -> dict[str, str]:
        """What changes the numbers of a picture."""
        grid = self.options.grid
        return {
            "post-processing": str(self.options.post),
            "box rule": grid.rule,
            "thresholds": f"0 to 1 in steps of {grid.step:g} of the maximum",
            "overlaps": ", ".join(f"{one:g}" for one in grid.overlaps),
            "pointing tolerance": f"{grid.tolerance:g} pixels",
            "pictures at a time": str(self.options.batch_size),
        }

    def digest(self, classifier: Classifier | None) -> str:
        """Stands for the job."""
        seen = "" if classifier is None else repr(classifier.preprocessing)
        words = ("localisation", self.source.facts, self.settings, seen)
        return job_digest(classifier or nn.Identity(), self._pictures, *words)

    def division(self, parts: Parts) -> dict[str, str]:
        """How the pictures were divided, in words."""
        return {
            "validation part": f"{len(parts.validation)} pictures, seed {self.options.seed}",
            "test part": f"{len(parts.test)} pictures",
        }

    def results(self, table: Mapping[str, np.ndarray]) -> tuple[dict[str, RowResult], Parts]:
        """Thresholds from one part, numbers from the other."""
        parts = split_parts(
            table["name"].tolist(),
            table["judged"],
            share=self.options.validation_share,
            seed=self.options.seed,
        )
        rows = self.source.rows
        grid = self.options.grid
        return {row: row_result(table, row, parts=parts, grid=grid) for row in rows}, parts

    def tables(
        self, table: Mapping[str, np.ndarray], results: Mapping[str, RowResult], parts: Parts
    ) -> tuple[dict[str, Any], ...]:
        """What the numbers say."""
        words = f"Maps: {self.options.post}. {len(parts.validation)} validation, {len(parts.test)} test pictures."
        seed = self.options.seed
        found = localisation_tables(
            results, reference=self._reference, grid=self.options.grid, seed=seed, words=words
        )
        return (*found, *pixel_tables(table, self.source.rows, parts, seed=seed))

    def curves(self, results: Mapping[str, RowResult]) -> tuple[Curves, ...]:
        """Accuracy over the threshold, one chart for each overlap."""
        shares = self.options.grid.shares.round(4).tolist()
        return tuple(
            Curves(
                f"Box accuracy at overlap {one:g}, test part",
                "threshold, share of the maximum",
                "pictures, %",
                {
                    row: list(zip(shares, result.curves[at].round(3).tolist(), strict=True))
                    for row, result in results.items()
                },
                "the highest point is the oracle's; the number to report is at the frozen threshold",
            )
            for at, one in enumerate(self.options.grid.overlaps)
        )

    def cases(
        self,
        table: Mapping[str, np.ndarray],
        results: Mapping[str, RowResult],
        parts: Parts,
        *,
        classifier: Classifier | None,
    ) -> tuple[Case, ...]:
        """The worst and best pictures of every method that is no baseline."""
        middle = self.options.grid.known
        wanted = {}
        for row in self._given.rows if self.options.cases else ():
            overlaps = table[f"{row}/overlap"][:, results[row].frozen[middle]].astype(np.float64)
            chosen = worst_and_best(overlaps, parts.test, self.options.cases)
            wanted[row] = [(kind, int(table["row"][at])) for kind, at in chosen]
        thresholds = {
            row: list(result.thresholds.values())[middle] for row, result in results.items()
        }
        words = str if classifier is None else classifier.class_name
        drawing = Drawing(self.options.post, thresholds, self.options.grid.rule, words)
        return tuple(draw_cases(self._pictures, self._given, wanted, drawing=drawing))
