"""Explain a folder of photos: overlays, raw maps, boxes, one record and one page."""

__all__ = ["explain_photos"]

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch

from figureground.base.errors import OptionError
from figureground.base.record import provenance, write_json
from figureground.capture import LayerChoice, Precision
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies.batches import BatchExplainer, batched, default_batch_size, placed
from figureground.studies.boxes_file import write_boxes
from figureground.studies.entries import Entries
from figureground.studies.job import Job
from figureground.studies.options import ExplainOptions, ExplainRecord, Truth
from figureground.studies.photos import Failure, load_photos
from figureground.studies.progress import Watch, unwatched
from figureground.studies.writer import Writer

_MOST_WORKERS = 8


def explain_photos(
    classifier: Classifier,
    paths: Sequence[Path],
    *,
    out: Path,
    options: ExplainOptions | None = None,
    truths: Mapping[Path, Truth] | None = None,
    watch: Watch = unwatched,
) -> ExplainRecord:
    """Explain every photo and keep the results in a folder that a later run can continue.

    ``out`` gets ``images/*.png`` (overlays), ``images/*.npz`` (raw maps, ``method/layer`` -> ``(K, h, w)``),
    ``entries.jsonl`` (a line per finished photo), ``boxes.json`` (COCO style, pixels of the photos) and, last,
    ``record.json``. A photo that cannot be decoded is noted, and the job goes on. However the job is stopped,
    finished photos stay finished; a photo is done again when it, the model or an option has changed. Pictures
    are not held in memory, whatever the number of photos. The classifier is left where and as it was.

    ``dff`` factorizes the photos of a batch together: its concepts belong to the batch.

    Args:
        classifier: The model.
        paths: The photos.
        out: The folder.
        options: What to explain.
        truths: Known labels and boxes of photos, shown beside the maps.
        watch: Told of progress.

    Returns:
        The record.

    Raises:
        OptionError: There is nothing to explain, or an option does not exist.
    """
    if not paths:
        raise OptionError("no photo to explain")
    chosen = options or ExplainOptions()
    began = time.perf_counter()
    device = _device(chosen.device)
    job = Job.of(classifier, chosen)
    explainer = _explainer(classifier, chosen)
    entries = Entries(out, job, list(dict.fromkeys(paths)), overwrite=chosen.overwrite)
    earlier = entries.count
    with placed(classifier, device):
        explain = BatchExplainer(
            explainer,
            chosen.methods,
            job.classes,
            most=chosen.batch_size or default_batch_size(device),
        )
        workers = chosen.workers or min(_MOST_WORKERS, os.cpu_count() or 1)
        with Writer(
            out, classifier, chosen.drawing, workers=workers, truths=truths or {}
        ) as writer:
            failed = _explain_all(explain, entries, writer, workers=workers, watch=watch)
    entries.begin()
    write_boxes(out / "boxes.json", entries)
    record = ExplainRecord(
        model=_described(classifier, explainer.layers, entries.layers)
        | {"precision": chosen.precision or "fp32", "device": str(device)},
        methods=job.methods,
        images=entries.count,
        skipped=earlier,
        failed=tuple(failed),
        blank_maps=entries.blank_maps,
        seconds=round(time.perf_counter() - began, 3),
        notes=classifier.notes,
        provenance=provenance(),
        colour_map=chosen.drawing.colour_map,
    )
    write_json(out / "record.json", record)
    return record
