"""Score every image of a folder, store the scores as they come, and explain the highest."""

__all__ = ["rank_images"]

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from figureground.base.claim import Claim, claimed
from figureground.base.errors import DataError, OptionError
from figureground.base.identity import digest, file_identity, model_identity, path_identity
from figureground.base.places import Place, common_folder, file_of, is_inside, located
from figureground.base.printable import printable
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_json
from figureground.base.store import STORED, Store
from figureground.data import find_images
from figureground.data.notices import summed
from figureground.engines import Part, Where, computed_on, own_device, results
from figureground.models import Classifier
from figureground.models.classes import find_classes
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions
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
from figureground.studies.ranking.scoring import Scoring

_MOST_CLASSES = 50
_BACKGROUND = "background"
_TABLES, _SHEET = ("scores.csv", "scores.parquet", "top.csv"), "top"


def rank_images(
    model: str | Path | nn.Module,
    images: str | Place | Sequence[str | Place],
    *,
    out: Path | str,
    options: RankOptions | None = None,
    device: Where = None,
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
        images: Files, folders, patterns or URLs; folders in folders are searched.
        out: The folder.
        options: What to rank by.
        device: Where to compute: a device, or ``EngineOptions`` for the worker processes of a Ray cluster, where an
            image that ends its process is left out and told. None takes CUDA where there is one.
        overwrite: Score images again that an earlier run scored, and replace another ranking.
        progress: Called after every batch.

    Returns:
        The record.

    Raises:
        OptionError: A class does not exist, or the model has too many to seek all of them.
        DataError: There is nothing to rank, or the folder holds something else, is in use, or holds a ranking by
            another model, by other classes or of another folder of images.
        EngineError: Worker processes keep ending.
    """
    classifier, paths = load_model(model).classifier, find_images(images, recursive=True)
    chosen, began = options or RankOptions(), time.perf_counter()
    if classifier.num_classes == 1 and chosen.score == "softmax":
        raise OptionError(f"{classifier.name} has one output: rank by score 'logit'")
    numbers = _classes(classifier, chosen.classes)
    names = [classifier.class_name(number) for number in numbers]
    if len(set(names)) < len(names):  # ImageNet has two cranes
        names = [f"{name} ({number})" for name, number in zip(names, numbers, strict=True)]
    with claimed(out, "rank", writes=(*STORED, *_TABLES, _SHEET)) as claim:
        units = _units(_outside(paths, claim.folder / _SHEET), chosen.unit)
        store = _store(
            claim, classifier, units, numbers=numbers, options=chosen, overwrite=overwrite
        )
        work = Scoring(classifier, numbers, options=chosen, device=own_device(device))
        skipped = _score(work, store, units, where=device, progress=progress)
        store.begin()
        write_scores(store, names, parquet=chosen.writes_parquet)
        failed, found = failures(store), best(store, names, chosen.top)
        first = [units[unit][row] for (unit, row), _ in found]
        top = [_at(path, one) for path, (_, one) in zip(first, found, strict=True)]
        record = RankRecord(
            model=classifier.description | {"device": computed_on(device, work.device)},
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
            _explain(
                classifier, first, claim.folder / _SHEET, options=chosen, device=own_device(device)
            )
        write_json(claim.folder / "record.json", record)
    return record


def _store(
    claim: Claim,
    classifier: Classifier,
    units: Mapping[str, Sequence[Place]],
    *,
    numbers: list[int],
    options: RankOptions,
    overwrite: bool,
) -> Store:
    """What is finished of these images."""
    # the maps on the sheet do not change a score
    job = digest(model_identity(classifier), numbers, options.score, options.batch_size)
    asked = {
        "model": classifier.name,
        "classes": numbers,
        "score": options.score,
        "batch_size": options.batch_size,
        "images": printable(
            common_folder(located(file_of(one)) for some in units.values() for one in some)
        ),
    }
    claim.check(asked, overwrite=overwrite)
    wanted = {unit: digest(job, *map(file_identity, some)) for unit, some in units.items()}
    return Store(claim, job=job, asked=asked, wanted=wanted, overwrite=overwrite)


def _outside(paths: Sequence[Place], sheet: Path) -> list[Place]:
    """The images, each once; the maps of an earlier ranking are none of them, where they lie among them."""
    found = list(dict.fromkeys(paths))
    if sheet.exists():
        found = [path for path in found if not is_inside(path, sheet)]
    if not found:
        raise DataError(
            f"all that is to be ranked are pictures that an earlier run put into {sheet.absolute()}"
        )
    return found


def _explain(
    classifier: Classifier,
    first: Sequence[Place],
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


def _at(path: Place, ranked: Ranked) -> Ranked:
    """An image near the top with what stands for its place."""
    return replace(ranked, image=path_identity(path))


def _units(paths: Sequence[Place], size: int) -> dict[str, Sequence[Place]]:
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
    work: Scoring,
    store: Store,
    units: Mapping[str, Sequence[Place]],
    *,
    where: Where,
    progress: Progress,
) -> int:
    """Do every unit that is not done, and store it as it comes; how many images were done before."""
    parts = [Part(unit, units[unit]) for unit in store.unfinished()]
    total = sum(map(len, units.values()))
    skipped = done = total - sum(len(part.images) for part in parts)
    progress("ranking", done, total)

    def tick(count: int) -> None:
        nonlocal done
        done += count
        progress("ranking", done, total)

    for unit, columns in results(work, parts, where, tick=tick):
        store.add_columns(unit, columns)
    return skipped
