"""Explain a folder of images: overlays, raw maps, boxes, one record and one page."""

__all__ = ["explain_images"]

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from figureground.base.claim import Claim, claimed
from figureground.base.errors import DataError
from figureground.base.filing import Filing
from figureground.base.identity import digest, file_identity, path_identity
from figureground.base.places import Place, is_inside
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_json
from figureground.base.store import STORED, Store
from figureground.data import find_images
from figureground.data.annotations.coco_writer import write_boxes
from figureground.data.notices import Notice, Noticed, summed
from figureground.engines import Part, Where, computed_on, own_device, results
from figureground.studies.explain.agreement import Agreement
from figureground.studies.explain.explaining import Explaining
from figureground.studies.explain.options import ExplainOptions, ExplainRecord, Truth
from figureground.studies.explain.painter import is_current
from figureground.studies.explain.table import TABLE, write_table
from figureground.studies.failures import Failure
from figureground.studies.models import load_model

_BOXES = "boxes.json"


def explain_images(
    model: str | Path | nn.Module,
    images: str
    | Place
    | Sequence[str | Place]
    | Mapping[Path, Truth | None]
    | Mapping[Place, Truth | None],
    *,
    out: Path | str,
    options: ExplainOptions | None = None,
    device: Where = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> ExplainRecord:
    """Explain every image and keep the results in a folder that a later run can continue.

    ``out`` gets ``images/*.png`` (overlays), ``images/*.npz`` (raw maps, ``method/layer`` -> ``(K, h, w)``),
    ``entries.jsonl`` (a line per finished image), ``boxes.json`` (COCO style, pixels of the images), ``maps.parquet``
    (a row per map, where pyarrow is installed) and, last, ``record.json``; files of more than 10,000 images lie in
    256 folders inside ``images``. An image that cannot be decoded is noted, and the job goes on. However the job is
    stopped, finished images stay finished; an image is done again when it, the model or an option has changed. Images
    are not held in memory, whatever their number.

    A method that does not work with this network is left out, and the record says why.

    ``dff`` factorizes the images of a batch together: its concepts belong to the batch.

    Args:
        model: As for ``load_model``; a ready classifier is left where and as it was.
        images: Files, folders or patterns; or files with the labels and boxes that are known of them, which are shown
            beside the maps.
        out: The folder.
        options: What to explain.
        device: Where to compute: a device, or ``EngineOptions`` for the worker processes of a Ray cluster, where an
            image that ends its process is left out and told. None takes CUDA where there is one.
        overwrite: Do images again that an earlier run finished, and replace the results of another job.
        progress: Called after every batch.

    Returns:
        The record.

    Raises:
        OptionError: An option does not exist.
        FigureGroundError: No method works with this network.
        DataError: There is nothing to explain, or the folder holds something else, is in use, or holds the results of
            a job with another model or other options.
        EngineError: Worker processes keep ending.
    """
    known: dict[Place, Truth] = {}
    if isinstance(images, Mapping):
        known = {path: truth for path, truth in images.items() if truth is not None}
        images = list(images)
    classifier, paths = load_model(model).classifier, find_images(images)
    chosen, began = options or ExplainOptions(), time.perf_counter()
    with claimed(out, "explain", writes=(*STORED, _BOXES, TABLE)) as claim:
        units = _units(paths, claim.folder)
        work = Explaining(
            classifier, chosen, device=own_device(device), truths=known, expected=len(units)
        )
        store = _store(claim, work, units, truths=known, overwrite=overwrite)
        earlier = store.count
        failed = _explain_all(work, units, store, where=device, progress=progress)
        store.begin()
        store.put_in_order()
        write_boxes(claim.folder / _BOXES, store.entries())
        write_table(claim.folder, store.entries())
        found, described, noticed = _summary(store)
        record = ExplainRecord(
            model={
                **classifier.description,
                **described,
                "precision": chosen.precision or "fp32",
                "device": computed_on(device, work.device),
            },
            methods=work.methods,
            **found,
            images=store.count,
            skipped=earlier,
            failed=tuple(failed),
            seconds=round(time.perf_counter() - began, 3),
            notes=(*classifier.notes, *work.notes, *noticed),
            provenance=provenance(),
            colour_map=chosen.colour_map,
        )
        write_json(claim.folder / "record.json", record)
    return record


def _store(
    claim: Claim,
    work: Explaining,
    units: Mapping[str, Place],
    *,
    truths: Mapping[Place, Truth],
    overwrite: bool,
) -> Store:
    """What is finished of these images."""
    claim.check(work.asked, overwrite=overwrite)
    wanted = {
        unit: digest(file_identity(path), truths.get(path), work.job)
        for unit, path in units.items()
    }
    return Store(
        claim,
        job=work.job,
        asked=work.asked,
        wanted=wanted,
        overwrite=overwrite,
        current=is_current,
    )


def _explain_all(
    work: Explaining,
    units: Mapping[str, Place],
    store: Store,
    *,
    where: Where,
    progress: Progress,
) -> list[Failure]:
    """Do every image that is not done, and store it as it comes; the images that could not be used."""
    parts = _parts(units, store.unfinished(), work.size)
    done, total = len(units) - sum(len(part.images) for part in parts), len(units)
    failed: list[Failure] = []
    stage = "explaining"
    if parts:
        stage += work.look(units.values())
    progress(stage, done, total)

    def tick(count: int) -> None:
        nonlocal done
        done += count
        progress(stage, done, total)

    with Filing(store) as filing:
        for _, found in results(work, parts, where, tick=tick):
            failed += found.failed
            for one in found.painted:
                filing.put(*one)
    return failed


def _parts(units: Mapping[str, Place], todo: Sequence[str], size: int) -> list[Part]:
    """What is to be done; images that are explained together are so in every run, whatever earlier ones left."""
    wanted, every = set(todo), list(units)
    groups = (every[start : start + size] for start in range(0, len(every), size))
    parts = [[units[unit] for unit in group if unit in wanted] for group in groups]
    return [Part(f"{at:06d}", paths) for at, paths in enumerate(parts) if paths]


def _units(paths: Sequence[Place], folder: Path) -> dict[str, Place]:
    """Images by their place; the job's own pictures are none of them."""
    own = (folder / "images").absolute()
    found = {path_identity(path): path for path in paths if not is_inside(path, own)}
    if not found:
        raise DataError(
            f"all that is to be explained are pictures that an earlier run put into {own}"
        )
    return found


def _summary(store: Store) -> tuple[dict[str, Any], dict[str, str], tuple[str, ...]]:
    """Maps that show nothing and methods left out; the layers of the last image; what was odd about the images."""
    blank, layers = 0, []
    refused: dict[str, str] = {}
    noticed: list[Noticed] = []
    agreement = Agreement()
    for entry in store.entries():
        agreement.see(entry)
        blank += sum(panel["problem"] is not None for panel in entry["panels"])
        layers = entry["layers"]
        refused |= entry["refused"]
        noticed += [(entry["image"], Notice(**one)) for one in entry["notices"]]
    names = ", ".join(one["name"].removeprefix("network.") for one in layers)
    reasons = "; ".join(one["reason"] for one in layers)
    found = {"blank_maps": blank, "refused": refused, "answer": agreement.answer()}
    return found, {"layer": names, "layer_reason": reasons}, summed(noticed)
