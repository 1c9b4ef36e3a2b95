"""A study's long part: measure every batch once, keep its rows, go on where an earlier run stopped."""

__all__ = ["Measure", "Measured", "job_digest", "measure_batches", "on_device"]

import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from figureground.base.errors import DataError
from figureground.studies.evaluation.items import SetProblem
from figureground.studies.evaluation.kept import Kept
from figureground.studies.evaluation.sets import EvaluationBatch, EvaluationSet
from figureground.studies.progress import Watch, unwatched

Measured = tuple[dict[str, np.ndarray], tuple[SetProblem, ...]]
Measure = Callable[[EvaluationBatch, int], Measured]
"""A batch with at least one picture, and its number -> columns with one row per picture, and problems."""

_SAMPLED = 64


def measure_batches(
    pictures: EvaluationSet,
    measure: Measure,
    *,
    kept: Kept,
    batch_size: int,
    watch: Watch = unwatched,
) -> dict[str, np.ndarray]:
    """Measure the batches that are not kept yet. Memory does not grow with their number.

    Besides the measured columns, ``row`` (position in the set), ``name`` and ``label`` are kept.

    Args:
        pictures: The set.
        measure: Measures one batch.
        kept: Where the rows go.
        batch_size: Pictures at a time.
        watch: Told of progress.

    Returns:
        Column -> values over all pictures that could be used.

    Raises:
        DataError: No picture could be used.
    """
    total = len(pictures)
    starts = range(0, total, batch_size)
    todo = [number for number in range(len(starts)) if not kept.has(number)]
    rows = [
        row
        for number in todo
        for row in islice(range(total), starts[number], starts[number] + batch_size)
    ]
    done = total - len(rows)
    watch(done, total)
    for number, batch in zip(todo, pictures.batches(batch_size, rows), strict=True):
        columns, problems = measure(batch, number) if len(batch) else ({}, ())
        kept.add(
            number, _described(batch) | columns if len(batch) else {}, batch.problems + problems
        )
        done += min(batch_size, total - starts[number])
        watch(done, total)
    table = kept.table()
    if not table:
        raise DataError(f"no picture of {pictures.source} could be used")
    return table


def on_device(batch: EvaluationBatch, device: torch.device) -> EvaluationBatch:
    """The batch with images and labels on a device.

    Args:
        batch: Any batch.
        device: Where to.

    Returns:
        A batch with the same boxes and names.
    """
    images = batch.images.to(device).contiguous(memory_format=torch.channels_last)
    return replace(batch, images=images, labels=batch.labels.to(device))


def job_digest(model: nn.Module, pictures: EvaluationSet, *words: object) -> str:
    """Stands for a model, a set and the options: equal where kept rows can be used again.

    Args:
        model: A sample of its weights is read.
        pictures: Names and labels of the set.
        words: Everything else that changes results; by their ``repr``.

    Returns:
        Sixteen hexadecimal digits.
    """
    weights = [
        (name, _sample(value)) for name, value in model.state_dict().items() if value.numel()
    ]
    described = (weights, pictures.names, pictures.labels.tolist(), pictures.view_size, words)
    return hashlib.sha256(repr(described).encode()).hexdigest()[:16]


def _sample(value: Tensor) -> tuple[tuple[int, ...], float]:
    step = max(1, value.numel() // _SAMPLED)
    return tuple(value.shape), float(value.flatten()[::step].double().sum())


def _described(batch: EvaluationBatch) -> dict[str, np.ndarray]:
    return {
        "row": batch.rows.cpu().numpy(),
        "name": np.array(batch.names, dtype=np.str_),
        "label": batch.labels.cpu().numpy(),
    }
