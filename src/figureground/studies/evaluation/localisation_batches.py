"""The long part of a localisation study: maps of one batch are made while those of the batch before are measured."""

__all__ = ["measure_localisation"]

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from figureground.base.errors import DataError
from figureground.studies.evaluation.items import SetProblem
from figureground.studies.evaluation.kept import Kept
from figureground.studies.evaluation.localisation_measures import localisation_columns, true_ranks
from figureground.studies.evaluation.localisation_options import LocalisationOptions
from figureground.studies.evaluation.sets import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.sources import MapBatch, MapSource
from figureground.studies.progress import Watch

_POINTLESS = frozenset({"whole-image"})


def measure_localisation(
    pictures: EvaluationSet,
    source: MapSource,
    *,
    kept: Kept,
    options: LocalisationOptions,
    watch: Watch,
) -> dict[str, np.ndarray]:
    """Measure the batches that are not kept yet. Two batches are held at a time, whatever their number.

    Besides the measured columns, ``row`` (position in the set), ``name``, ``label``, ``judged`` and
    ``rank`` (how many classes the model puts before the true one) are kept.

    Args:
        pictures: The set.
        source: Of the maps.
        kept: Where the rows go.
        options: What to measure.
        watch: Told of progress.

    Returns:
        Column -> values over all pictures that could be read.

    Raises:
        DataError: No picture could be read.
    """
    size, total = options.batch_size, len(pictures)
    todo = [number for number in range(-(-total // size)) if not kept.has(number)]
    rows = [row for number in todo for row in range(number * size, min((number + 1) * size, total))]
    done = total - len(rows)
    watch(done, total)
    waiting: Future[None] | None = None
    # measuring leaves the interpreter's lock most of the time, so it takes hardly anything from the network
    with ThreadPoolExecutor(1, thread_name_prefix="boxes") as pool:
        for number, batch in zip(todo, pictures.batches(size, rows), strict=True):
            job = _explained(source, batch)
            if waiting is not None:
                waiting.result()
            waiting = pool.submit(_keep, kept, number, job=job, options=options)
            done += min(size, total - number * size)
            watch(done, total)
        if waiting is not None:
            waiting.result()
    table = kept.table()
    if not table:
        raise DataError(f"no picture of {pictures.source} could be read")
    return table


@dataclass(frozen=True, eq=False)
class _Job:
    """A batch with its maps."""

    batch: EvaluationBatch
    keep: list[int]
    found: MapBatch | None
    problems: tuple[SetProblem, ...]
    rows: tuple[str, ...]


def _explained(source: MapSource, batch: EvaluationBatch) -> _Job:
    """Maps of the pictures that can be judged."""
    keep, problems = _judged(batch, needs_labels=source.needs_labels)
    found = source(batch.part(keep)) if keep else None
    more = () if found is None else found.problems
    return _Job(batch, keep, found, (*batch.problems, *problems, *more), source.rows)


def _keep(kept: Kept, number: int, *, job: _Job, options: LocalisationOptions) -> None:
    """Measure one batch and write its rows down."""
    kept.add(number, _columns(job, options) if len(job.batch) else {}, job.problems)


def _columns(job: _Job, options: LocalisationOptions) -> dict[str, np.ndarray]:
    """All columns of a batch that is not empty."""
    batch, ranks = job.batch, np.full(len(job.batch), -1)
    if job.found is not None:
        ranks[job.keep] = true_ranks(job.found.logits, batch.labels[job.keep])
    columns = {
        "row": batch.rows.numpy(),
        "name": np.array(batch.names, dtype=np.str_),
        "label": batch.labels.numpy(),
        "judged": np.isin(np.arange(len(batch)), job.keep),
        "rank": ranks,
    }
    for row in job.rows:
        measured = _measured_row(row, job, options)
        columns |= {f"{row}/{key}": values for key, values in measured.items()}
    return columns


def _measured_row(row: str, job: _Job, options: LocalisationOptions) -> dict[str, np.ndarray]:
    """Columns of one row; pictures that are not judged have a blank map."""
    count, size = len(job.batch), tuple(job.batch.images.shape[2:])
    maps, blank = torch.zeros(count, *size), torch.ones(count, dtype=torch.bool)
    if job.found is not None:
        ready = row in job.found.ready
        shown, empty = options.post(job.found.maps[row].cpu(), (size[0], size[1]), ready=ready)
        if len(job.keep) == count:
            maps, blank = shown, empty
        else:
            maps[job.keep], blank[job.keep] = shown, empty
    points = row not in _POINTLESS
    return localisation_columns((maps, blank), job.batch, grid=options.grid, points=points)


def _judged(
    batch: EvaluationBatch, *, needs_labels: bool
) -> tuple[list[int], tuple[SetProblem, ...]]:
    """Positions of the pictures that can be judged, and why the others cannot."""
    keep, problems = [], []
    for at, name in enumerate(batch.names):
        if not len(batch.boxes[at]):
            problems.append(SetProblem("not-judged", name, "left out of the numbers: no box"))
        elif needs_labels and batch.labels[at] < 0:
            reason = "left out of the numbers: no label, and the true class was asked for"
            problems.append(SetProblem("not-judged", name, reason))
        else:
            keep.append(at)
    return keep, tuple(problems)
