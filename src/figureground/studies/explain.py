"""Explain a folder of photos: overlays, raw maps, boxes, one record and one page."""

__all__ = ["explain_photos"]

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from figureground.base.errors import OptionError
from figureground.base.record import provenance, write_json
from figureground.capture import LayerChoice
from figureground.methods import Explainer, Explanation
from figureground.models import Classifier
from figureground.studies.entries import Entries, Job
from figureground.studies.options import ExplainOptions, ExplainRecord, Truth
from figureground.studies.panels import Writer
from figureground.studies.photos import Failure, Photo, load_photos
from figureground.studies.progress import Watch, unwatched

_CPU_BATCH, _GPU_BATCH = 16, 256


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

    ``out`` gets ``images/*.png`` (overlays), ``images/*.npz`` (raw maps), ``entries.jsonl`` (a line per
    finished photo), ``boxes.json`` (COCO style, pixels of the photos) and, last, ``record.json``. Memory
    does not grow with the number of photos. A photo that cannot be decoded is noted, and the job goes on.

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
    device = torch.device(chosen.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    classifier = classifier.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    job = Job.of(classifier, chosen)
    entries = Entries(out, job, overwrite=chosen.overwrite)
    todo = [path for path in paths if not entries.finished(path)]
    explainer = _explainer(classifier, chosen)
    with Writer(
        out, classifier, chosen.drawing, workers=chosen.workers, truths=truths or {}
    ) as writer:
        failed = _explain_all(
            explainer, todo, chosen, sink=(writer, entries), watch=_from(watch, paths, todo)
        )
    entries.write_boxes(paths)
    record = ExplainRecord(
        model=_described(classifier, explainer.layers, entries.layers)
        | {"precision": chosen.precision or "fp32", "device": str(device)},
        methods=job.methods,
        images=entries.count(paths),
        skipped=len(paths) - len(todo),
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
        precision=options.precision,
        fuse=options.fuse,
        smooth=options.smooth,
    )


def _explain_all(
    explainer: Explainer,
    todo: Sequence[Path],
    options: ExplainOptions,
    *,
    sink: tuple[Writer, Entries],
    watch: Callable[[int], None],
) -> list[Failure]:
    """Decode, explain and write, each ahead of the next; the photos that could not be used."""
    writer, entries = sink
    device = next(iter(explainer.model.buffers())).device
    preprocessing = explainer.model.preprocessing
    failed: list[Failure] = []
    done = 0
    watch(done)
    photos = load_photos(todo, preprocessing, workers=options.workers)
    for batch, failures in _batches(photos, options.batch_size or _batch_size(device)):
        failed += failures
        for part, explanation in _explained(explainer, batch, options, device=device):
            for finished in writer.submit(part, explanation):
                entries.add(finished)
        done += len(batch) + len(failures)
        watch(done)
    for finished in writer.rest():
        entries.add(finished)
    return failed


def _from(watch: Watch, paths: Sequence[Path], todo: Sequence[Path]) -> Callable[[int], None]:
    """Progress of all photos, those of earlier runs included."""
    earlier = len(paths) - len(todo)
    return lambda done: watch(earlier + done, len(paths))


def _batches(
    photos: Iterable[Photo | Failure], size: int
) -> Iterator[tuple[list[Photo], list[Failure]]]:
    """Batches of photos, with the failures met on the way."""
    batch: list[Photo] = []
    failures: list[Failure] = []
    for one in photos:
        if isinstance(one, Failure):
            failures.append(one)
        else:
            batch.append(one)
        if len(batch) == size:
            yield batch, failures
            batch, failures = [], []
    if batch or failures:
        yield batch, failures


def _explained(
    explainer: Explainer, batch: list[Photo], options: ExplainOptions, *, device: torch.device
) -> Iterator[tuple[list[Photo], Explanation]]:
    """The batch explained, in halves where the memory does not suffice."""
    if not batch:
        return
    pixels = torch.stack([photo.pixels for photo in batch]).to(device, non_blocking=True)
    images = pixels.float().div_(255).contiguous(memory_format=torch.channels_last)
    try:
        explanation = explainer(images, options.classes, options.methods)
    except torch.OutOfMemoryError:
        if len(batch) == 1:
            raise
        half = len(batch) // 2
        yield from _explained(explainer, batch[:half], options, device=device)
        yield from _explained(explainer, batch[half:], options, device=device)
        return
    yield batch, explanation


def _batch_size(device: torch.device) -> int:
    return _CPU_BATCH if device.type == "cpu" else _GPU_BATCH


def _described(
    classifier: Classifier, layers: Sequence[LayerChoice], known: list[dict[str, str]]
) -> dict[str, object]:
    """The model as the record tells of it; layers of an earlier run where this one had nothing to do."""
    found = [{"name": one.name, "reason": one.reason} for one in layers] or known
    return {
        "name": classifier.name,
        "layer": ", ".join(one["name"].removeprefix("network.") for one in found),
        "layer_reason": "; ".join(one["reason"] for one in found),
        "preprocessing": repr(classifier.preprocessing),
    }
