"""Explain a folder of photos: overlays, raw maps, boxes, one record and one page."""

__all__ = ["explain_photos"]

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import torch

from figureground.base.errors import OptionError
from figureground.base.record import provenance, write_json
from figureground.capture import Precision
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
    job = Job.of(classifier, chosen)
    explainer = _explainer(classifier, chosen)
    entries = Entries(out, job, list(dict.fromkeys(paths)), overwrite=chosen.overwrite)
    earlier = entries.count
    writer = Writer(out, classifier, chosen.drawing, workers=_workers(chosen), truths=truths or {})
    with writer:
        failed = _explain_all(explainer, job, (entries, writer), options=chosen, watch=watch)
    entries.begin()
    write_boxes(out / "boxes.json", entries)
    record = ExplainRecord(
        model=_described(explainer, entries, chosen),
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


def _explainer(classifier: Classifier, options: ExplainOptions) -> Explainer:
    return Explainer(
        classifier,
        layer=list(options.layers) or None,
        precision=cast("Precision | None", options.precision),
        fuse=options.fuse,
        smooth=options.smooth,
    )


def _explain_all(
    explainer: Explainer,
    job: Job,
    sink: tuple[Entries, Writer],
    *,
    options: ExplainOptions,
    watch: Watch,
) -> list[Failure]:
    """Decode, explain and write, each ahead of the next; the photos that could not be used."""
    entries, writer = sink
    classifier = cast("Classifier", explainer.model)
    device = _device(options.device)
    size = options.batch_size or default_batch_size(device)
    explain = BatchExplainer(explainer, options.methods, job.classes, most=size)
    todo = entries.unfinished()
    done, total = entries.asked - len(todo), entries.asked
    watch(done, total)
    failed: list[Failure] = []
    photos = load_photos(todo, classifier.preprocessing, workers=_workers(options))
    with placed(classifier, device), closing(photos):
        try:
            for batch, failures in batched(photos, size):
                for part, explanation in explain(batch):
                    entries.begin()
                    entries.add_all(writer.submit(part, explanation))
                failed += failures
                done += len(batch) + len(failures)
                watch(done, total)
        finally:
            # also after Ctrl-C: what is explained shall not have to be explained again
            entries.add_all(writer.rest())
    return failed


def _device(asked: str | None) -> torch.device:
    return torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))


def _workers(options: ExplainOptions) -> int:
    """Threads of a kind."""
    return options.workers or min(_MOST_WORKERS, os.cpu_count() or 1)


def _described(explainer: Explainer, entries: Entries, options: ExplainOptions) -> dict[str, Any]:
    """The model as the record tells of it; layers of an earlier run where this one had nothing to do."""
    found = entries.layers or [{"name": one.name, "reason": one.reason} for one in explainer.layers]
    return {
        "name": explainer.model.name,
        "layer": ", ".join(one["name"].removeprefix("network.") for one in found),
        "layer_reason": "; ".join(one["reason"] for one in found),
        "preprocessing": repr(explainer.model.preprocessing),
        "precision": options.precision or "fp32",
        "device": str(_device(options.device)),
    }
