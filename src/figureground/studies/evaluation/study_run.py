"""One way through every study of maps: measure batch by batch, then tables and curves, then the record."""

__all__ = ["Study", "run_study"]

import time
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from figureground.base.record import provenance, write_json
from figureground.capture import LayerChoice
from figureground.models import Classifier
from figureground.studies.evaluation.batch_job import Measured, job_digest, measure_batches
from figureground.studies.evaluation.kept import Kept
from figureground.studies.evaluation.measure_record import (
    Curves,
    MeasureRecord,
    counted,
    model_facts,
)
from figureground.studies.evaluation.sets import EvaluationBatch, EvaluationSet
from figureground.studies.progress import Watch, unwatched

Table = dict[str, np.ndarray]
"""Column -> values over all pictures."""


@runtime_checkable
class Study(Protocol):
    """What differs from study to study."""

    kind: str
    batch_size: int
    overwrite: bool
    seeds: tuple[int, ...]

    @property
    def facts(self) -> dict[str, str]:
        """Row of the tables -> what it is."""

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """The layers that are explained; known after the first batch."""

    @property
    def settings(self) -> dict[str, str]:
        """Everything that changes the per-image numbers, in words."""

    def __call__(self, batch: EvaluationBatch, number: int) -> Measured:
        """Per-image numbers of a batch that is not empty."""

    def tables(self, table: Table) -> tuple[dict[str, Any], ...]:
        """What the numbers say."""

    def curves(self, table: Table) -> tuple[Curves, ...]:
        """Charts."""

    def notes(self, table: Table) -> tuple[str, ...]:
        """What the reader must know."""


def run_study(
    study: Study,
    classifier: Classifier,
    pictures: EvaluationSet,
    *,
    out: Path,
    watch: Watch = unwatched,
) -> MeasureRecord:
    """Measure, keep, summarise. ``out`` gets ``per_image.npz`` and, last, ``record.json``.

    A run that was stopped goes on where it was; equal questions on equal pictures use what is kept.

    Args:
        study: What is asked.
        classifier: The model.
        pictures: The set.
        out: The folder.
        watch: Told of progress.

    Returns:
        The record, as saved.
    """
    began = time.perf_counter()
    seen = repr(classifier.preprocessing)
    digest = job_digest(classifier, pictures, study.kind, study.facts, study.settings, seen)
    kept = Kept(out, digest, overwrite=study.overwrite)
    (out / "record.json").unlink(missing_ok=True)
    table = measure_batches(pictures, study, kept=kept, batch_size=study.batch_size, watch=watch)
    kept.join(out / "per_image.npz")
    problems, examples = counted([*pictures.problems, *kept.problems()])
    record = MeasureRecord(
        kind=study.kind,
        data=pictures.source,
        images=len(table["row"]),
        model=model_facts(classifier, study.layers),
        methods=study.facts,
        options=study.settings,
        tables=study.tables(table),
        curves=study.curves(table),
        problems=problems,
        examples_of_problems=examples,
        notes=(*classifier.notes, *pictures.notes, *study.notes(table)),
        seconds=round(time.perf_counter() - began, 1),
        provenance=provenance(seeds=study.seeds),
    )
    write_json(out / "record.json", record)
    return record
