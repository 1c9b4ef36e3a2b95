"""Score every image of a folder, store the scores as they come, and explain the highest."""

__all__ = ["rank_images"]

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from figureground.base.claim import Claim, claimed
from figureground.base.errors import DataError, OptionError
from figureground.base.identity import digest, file_identity, model_identity, path_identity, shown
from figureground.base.outputs import class_logits, class_probabilities
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_json
from figureground.base.store import STORED, Store
from figureground.data import find_images
from figureground.data.notices import summed
from figureground.metrics.classification import class_scores
from figureground.models import Classifier
from figureground.models.classes import find_classes
from figureground.models.predicting import (
    chosen_device,
    default_batch_size,
    default_workers,
    placed,
)
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.failures import Failure
from figureground.studies.loading import LoadedImage, load_images
from figureground.studies.models import load_model
from figureground.studies.ranking.believed import believed_of
from figureground.studies.ranking.options import Ranked, RankOptions, RankRecord
from figureground.studies.ranking.scores import (
    best,
    failures,
    noticed_of,
    write_scores,
    write_top,
)

_MOST_CLASSES = 50
_BACKGROUND = "background"
_TABLES, _SHEET = ("scores.csv", "scores.parquet", "top.csv"), "top"


def rank_images(
    model: str | Path | nn.Module,
    images: str | Path | Sequence[str | Path],
    *,
    out: Path | str,
    options: RankOptions | None = None,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> RankRecord:
    """Rank images by the highest score of the classes sought, into a folder that a later run can continue.

    ``out`` gets ``scores.csv`` (all images in their order, as ``.parquet`` too where pyarrow is installed), ``top.csv``
    (best first), ``top`` (the best images explained) and, last, ``record.json``. Images are decoded in threads while
    the network runs; memory does not grow with their number beyond their paths. However the job is stopped, finished
    units stay finished, and the next run ends with the same bytes as an undisturbed one.

    Args:
        model: As for ``load_model``; a ready classifier is left where and as it was.
        images: Files, folders or patterns; folders in folders are searched.
        out: The folder.
        options: What to rank by.
        device: Where to compute; None takes CUDA where there is one.
        overwrite: Score images again that an earlier run scored, and replace another ranking.
        progress: Called after every batch.

    Returns:
        The record.

    Raises:
        OptionError: A class does not exist, or the model has too many to seek all of them.
        DataError: There is nothing to rank, or the folder holds something else, is in use, or holds a ranking by
            another model, by other classes or of another folder of images.
    """
    classifier, paths = load_model(model).classifier, find_images(images, recursive=True)
    chosen, began = options or RankOptions(), time.perf_counter()
    if classifier.num_classes == 1 and chosen.score == "softmax":
        raise OptionError(f"{classifier.name} has one output: rank by score 'logit'")
    numbers, where = _classes(classifier, chosen.classes), chosen_device(device)
    names = [classifier.class_name(number) for number in numbers]
    if len(set(names)) < len(names):  # ImageNet has two cranes
        names = [f"{name} ({number})" for name, number in zip(names, numbers, strict=True)]
    with claimed(out, "rank", writes=(*STORED, *_TABLES, _SHEET)) as claim:
        units = _units(_outside(paths, claim.folder / _SHEET), chosen.unit)
        store = _store(
            claim, classifier, units, numbers=numbers, options=chosen, overwrite=overwrite
        )
        skipped = _score(
            (classifier, where), store, units, numbers=numbers, options=chosen, progress=progress
        )
        store.begin()
        write_scores(store, names, parquet=chosen.writes_parquet)
        failed, found = failures(store), best(store, names, chosen.top)
        first = [units[unit][row] for (unit, row), _ in found]
        top = [_at(path, one) for path, (_, one) in zip(first, found, strict=True)]
        record = RankRecord(
            model=classifier.description | {"device": str(where)},
            classes=tuple(names),
            score=chosen.score,
            images=sum(map(len, units.values())) - len(failed),
            skipped=skipped,
            failed=failed,
            top=tuple(top),
            seconds=round(time.perf_counter() - began, 3),
            provenance=provenance(),
            notes=summed(noticed_of(store)),
            answer=believed_of(store, top),
        )
        write_top(claim.folder / "top.csv", record.top)
        if first:
            _explain(classifier, first, claim.folder / _SHEET, options=chosen, device=device)
        write_json(claim.folder / "record.json", record)
    return record


def _store(
    claim: Claim,
    classifier: Classifier,
    units: Mapping[str, Sequence[Path]],
    *,
    numbers: list[int],
    options: RankOptions,
    overwrite: bool,
) -> Store:
    """What is finished of these images."""
    # the maps on the sheet do not change a score
    job = digest(model_identity(classifier), numbers, options.score, options.batch_size)
    folders = {str(path.absolute().parent) for some in units.values() for path in some}
    asked = {
        "model": classifier.name,
        "classes": numbers,
        "score": options.score,
        "batch_size": options.batch_size,
        "images": shown(Path(os.path.commonpath(folders))),
    }
    claim.check(asked, overwrite=overwrite)
    wanted = {unit: digest(job, *map(file_identity, some)) for unit, some in units.items()}
    return Store(claim, job=job, asked=asked, wanted=wanted, overwrite=overwrite)


def _outside(paths: Sequence[Path], sheet: Path) -> list[Path]:
    """The images, each once; the maps of an earlier ranking are none of them, where they lie among them."""
    own = sheet.absolute()
    found = [path for path in dict.fromkeys(paths) if own not in path.absolute().parents]
    if not found:
        raise DataError(f"all that is to be ranked are pictures that an earlier run put into {own}")
    return found


def _explain(
    classifier: Classifier,
    first: Sequence[Path],
    out: Path,
    *,
    options: RankOptions,
    device: str | None,
) -> None:
    """Maps of the classes sought on the best images."""
    classes = _classes(classifier, options.classes)
    explained = ExplainOptions(methods=(options.methods,), classes=classes, workers=options.workers)
    with claimed(out, "explain") as claim:
        claim.give_up()  # the sheet is a part of the ranking, whatever an earlier one showed
        explain_images(classifier, first, out=out, options=explained, device=device)


def _at(path: Path, ranked: Ranked) -> Ranked:
    """An image near the top with what stands for its place."""
    return replace(ranked, image=path_identity(path))


def _units(paths: Sequence[Path], size: int) -> dict[str, Sequence[Path]]:
    """Images that are stored together, by the name of their unit."""
    starts = range(0, len(paths), size)
    return {f"{at:06d}": paths[start : start + size] for at, start in enumerate(starts)}


def _classes(classifier: Classifier, wanted: Sequence[str | int]) -> list[int]:
    """Numbers of the classes sought."""
    if wanted:
        found = find_classes(classifier, list(wanted))
        assert isinstance(found, list)  # noqa: S101 - of a list of classes it is one
        return found
    count = classifier.num_classes or 0
    if count == 1:
        return [1]  # the positive class of a single logit
    numbers = [at for at in range(count) if classifier.class_name(at).lower() != _BACKGROUND]
    if not 1 <= len(numbers) <= _MOST_CLASSES:
        raise OptionError(f"{classifier.name} has {len(numbers)} classes: say which are sought")
    return numbers


def _score(
    network: tuple[Classifier, torch.device],
    store: Store,
    units: Mapping[str, Sequence[Path]],
    *,
    numbers: list[int],
    options: RankOptions,
    progress: Progress,
) -> int:
    """Do every unit that is not done, and store it when its last image is scored; how many images were done before."""
    (classifier, device), total = network, sum(map(len, units.values()))
    waiting, columns = store.unfinished(), []
    counts = [len(units[unit]) for unit in waiting]
    size, skipped = options.batch_size or default_batch_size(device), total - sum(counts)
    done = skipped
    progress("ranking", done, total)
    images = load_images(
        chain.from_iterable([units[unit] for unit in waiting]),  # listed now: waiting gets shorter
        classifier.preprocessing,
        workers=default_workers(options.workers),
        waiting=max(64, 2 * size),
    )
    with placed(classifier, device), closing(images):
        for items, logits in _predicted(classifier, _groups(images, counts, size), device):
            columns.append(_columns(items, logits, numbers, score=options.score))
            done += len(items)
            if sum(len(one["path"]) for one in columns) == len(units[waiting[0]]):
                joined = {
                    name: np.concatenate([one[name] for one in columns]) for name in columns[0]
                }
                store.add_columns(waiting.pop(0), joined)
                columns = []
            progress("ranking", done, total)
    return skipped


def _groups(
    images: Iterator[LoadedImage | Failure], counts: Iterable[int], size: int
) -> Iterator[list[LoadedImage | Failure]]:
    """Images in their order, up to ``size`` usable ones at a time, and never of two units."""
    # a network rounds by the size of its batch: a unit must have the same ones whenever it is done
    for count in counts:
        group: list[LoadedImage | Failure] = []
        usable = 0
        for one in islice(images, count):
            group.append(one)
            usable += isinstance(one, LoadedImage)
            if usable == size or len(group) == 4 * size:
                yield group
                group, usable = [], 0
        if group:
            yield group


def _predicted(
    classifier: Classifier, groups: Iterable[list[LoadedImage | Failure]], device: torch.device
) -> Iterator[tuple[list[LoadedImage | Failure], Tensor]]:
    """Each group and its logits, on the CPU; the next one is under way before a device is waited for."""
    before: tuple[list[LoadedImage | Failure], Tensor] | None = None
    for group in groups:
        pixels = [one.pixels for one in group if isinstance(one, LoadedImage)]
        logits = torch.zeros(0, classifier.num_classes or 1)
        if pixels:
            images = torch.stack(pixels).to(device, non_blocking=True).float().div_(255)
            with torch.inference_mode():
                logits = classifier(images.contiguous(memory_format=torch.channels_last))
        if before is not None:
            yield before[0], before[1].cpu()
        before = (group, logits)
    if before is not None:
        yield before[0], before[1].cpu()


def _columns(
    items: Sequence[LoadedImage | Failure], logits: Tensor, numbers: list[int], *, score: str
) -> dict[str, Any]:
    """What is stored of each image: the best class among those sought, -1 where the image could not be used."""
    scores = (
        class_scores(class_logits(logits.float()), score)[:, numbers].tolist()
        if len(logits)
        else []
    )
    shares = class_probabilities(logits.double())[:, numbers].tolist()
    nothing = [math.nan] * len(numbers)
    found: dict[str, list[Any]] = {
        name: [] for name in ("path", "best", "probability", "scores", "problem", "notices")
    }
    row = -1
    for item in items:
        mine, problem, path, notices = nothing, "", "", ""
        if isinstance(item, Failure):
            path, problem = item.path, item.reason or "cannot be used"
        else:
            row += 1
            path, mine = shown(item.path), scores[row]
            notices = json.dumps(list(map(asdict, item.notices))) if item.notices else ""
            problem = "" if all(map(math.isfinite, mine)) else "the model's output is not finite"
        at = -1 if problem else mine.index(max(mine))
        share = math.nan if problem else shares[row][at]
        row_of = (path, at, share, mine, problem, notices)
        for name, value in zip(found, row_of, strict=True):
            found[name].append(value)
    kinds = {"path": np.str_, "best": np.int64, "problem": np.str_, "notices": np.str_}
    return {
        name: np.array(values, dtype=kinds.get(name, np.float64)) for name, values in found.items()
    }
