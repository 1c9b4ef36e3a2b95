"""Score every photo of a folder, keep the scores as they come, and explain the highest."""

__all__ = ["rank_photos"]

import csv
import io
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import torch
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.record import provenance, write_atomically, write_json
from figureground.capture.untouched import borrowed
from figureground.metrics.classification.ranking import class_scores
from figureground.models import Classifier
from figureground.studies.batches import default_batch_size, placed
from figureground.studies.explain import explain_photos
from figureground.studies.job import Job
from figureground.studies.options import ExplainOptions
from figureground.studies.photos import Failure, Photo, load_photos
from figureground.studies.places import shown
from figureground.studies.progress import Watch, unwatched
from figureground.studies.ranking.options import RankOptions, RankRecord
from figureground.studies.ranking.parts import Part, Parts, Row

_MOST_WORKERS, _MOST_CLASSES = 8, 50
_BACKGROUND = "background"


def rank_photos(
    classifier: Classifier,
    paths: Sequence[Path],
    *,
    out: Path,
    options: RankOptions | None = None,
    watch: Watch = unwatched,
) -> RankRecord:
    """Rank photos by the highest score of the classes sought, into a folder that a later run can continue.

    ``out`` gets ``scores.csv`` (all photos in their order, as ``.parquet`` too where pyarrow is installed), ``top.csv``
    (best first), ``top`` (the best photos explained) and, last, ``record.json``. Photos are decoded in threads while
    the network runs; pictures are not kept, so memory does not grow with their number beyond their paths. However the
    job is stopped, finished parts stay finished, and the next run ends with the same bytes as an undisturbed one.

    Args:
        classifier: The model; left where and as it was.
        paths: The photos.
        out: The folder.
        options: What to rank by.
        watch: Told of progress.

    Returns:
        The record.

    Raises:
        OptionError: There is nothing to rank, or a class does not exist.
    """
    if not paths:
        raise OptionError("no photo to rank")
    chosen = options or RankOptions()
    began = time.perf_counter()
    _check_score(classifier, chosen)
    numbers = _classes(classifier, chosen.classes)
    names = [classifier.class_name(number) for number in numbers]
    explained = ExplainOptions(
        methods=(chosen.method,),
        classes=list(numbers),
        device=chosen.device,
        workers=chosen.workers,
    )
    # not of the maps: another method on the sheet does not change a score
    job = Job.of(classifier, ExplainOptions(classes=list(numbers)))
    job = replace(job, digest=f"{job.digest} {chosen.score}")
    unique = list(dict.fromkeys(paths))
    parts = Parts(out, job, unique, names=names, size=chosen.part)
    todo = sum(len(part.paths) for part in parts.todo)
    watch(len(unique) - todo, len(unique))
    _score(classifier, parts, numbers, options=chosen, watch=watch)
    (out / "record.json").unlink(missing_ok=True)  # of an earlier ranking, whose scores now go
    parts.finish(parquet=chosen.writes_parquet)
    top = parts.best(chosen.top)
    failed = tuple(Failure(row.path, row.problem) for row in parts.rows() if row.best is None)
    record = RankRecord(
        model=_described(classifier, chosen),
        classes=tuple(names), score=chosen.score, images=len(unique) - len(failed), skipped=len(unique) - todo,
        failed=failed, top=top, seconds=round(time.perf_counter() - began, 3), provenance=provenance(),
    )  # fmt: skip
    _write_top(out / "top.csv", record)
    by_text = {shown(path): path for path in unique}
    if top:
        explain_photos(
            classifier, [by_text[one.path] for one in top], out=out / "top", options=explained
        )
    write_json(out / "record.json", record)
    return record


def _check_score(classifier: Classifier, options: RankOptions) -> None:
    """Refuse to rank by a probability that is always 1."""
    if classifier.num_classes == 1 and options.score == "softmax":
        raise OptionError(f"{classifier.name} has one output: rank by score 'logit'")


def _described(classifier: Classifier, options: RankOptions) -> dict[str, str]:
    """The model as the record tells of it."""
    return {
        "name": classifier.name,
        "preprocessing": repr(classifier.preprocessing),
        "device": str(_device(options)),
    }


def _classes(classifier: Classifier, wanted: Sequence[str | int]) -> list[int]:
    """Numbers of the classes sought."""
    if wanted:
        return list(dict.fromkeys(classifier.class_index(one) for one in wanted))
    names = classifier.class_names or ()
    count = classifier.num_classes or 0
    found = [at for at in range(count) if not names or names[at].lower() != _BACKGROUND]
    if not 1 <= len(found) <= _MOST_CLASSES:
        raise OptionError(f"{classifier.name} has {len(found)} classes: say which are sought")
    return found


def _score(
    classifier: Classifier, parts: Parts, numbers: list[int], *, options: RankOptions, watch: Watch
) -> None:
    """Do every part that is not done."""
    device = _device(options)
    size = options.batch_size or default_batch_size(device)
    workers = options.workers or min(_MOST_WORKERS, os.cpu_count() or 1)
    total = sum(len(part.paths) for part in parts.all)
    paths = chain.from_iterable(part.paths for part in parts.todo)
    photos = load_photos(paths, classifier.preprocessing, workers=workers, ahead=max(64, 2 * size))
    waiting = list(reversed(parts.todo))
    done = total - sum(len(part.paths) for part in parts.todo)
    rows: list[Row] = []
    with placed(classifier, device), borrowed(classifier), closing(photos):
        groups = _groups(photos, [len(part.paths) for part in parts.todo], size)
        for items, logits in _answered(classifier, groups, device):
            rows += _rows(items, logits, numbers, score=options.score)
            done += len(items)
            rows = _kept(parts, waiting, rows)
            watch(done, total)


def _kept(parts: Parts, waiting: list[Part], rows: list[Row]) -> list[Row]:
    """Write the parts that are complete; the rows that are left."""
    while waiting and len(rows) >= len(waiting[-1].paths):
        part = waiting.pop()
        parts.write(part, rows[: len(part.paths)])
        rows = rows[len(part.paths) :]
    return rows


def _groups(
    photos: Iterator[Photo | Failure], counts: Iterable[int], size: int
) -> Iterator[list[Photo | Failure]]:
    """Photos in their order, up to ``size`` usable ones at a time, and never of two parts."""
    # a network rounds by the size of its batch: a part must have the same ones whenever it is done
    for count in counts:
        group: list[Photo | Failure] = []
        usable = 0
        for one in islice(photos, count):
            group.append(one)
            usable += isinstance(one, Photo)
            if usable == size or len(group) == 4 * size:
                yield group
                group, usable = [], 0
        if group:
            yield group


def _answered(
    classifier: Classifier, groups: Iterable[list[Photo | Failure]], device: torch.device
) -> Iterator[tuple[list[Photo | Failure], Tensor]]:
    """Each group and its logits, on the CPU; the next one is under way before a device is waited for."""
    before: tuple[list[Photo | Failure], Tensor] | None = None
    for group in groups:
        pixels = [one.pixels for one in group if isinstance(one, Photo)]
        logits = torch.zeros(0, 1)
        if pixels:
            images = torch.stack(pixels).to(device, non_blocking=True).float().div_(255)
            with torch.inference_mode():
                logits = classifier(images.contiguous(memory_format=torch.channels_last))
        if before is not None:
            yield before[0], before[1].cpu()
        before = (group, logits)
    if before is not None:
        yield before[0], before[1].cpu()


def _rows(
    items: Sequence[Photo | Failure], logits: Tensor, numbers: list[int], *, score: str
) -> list[Row]:
    """What the parts keep of each item."""
    scores: list[list[float]] = []
    shares: list[list[float]] = []
    if len(logits):
        scores = class_scores(logits.float(), score)[:, numbers].tolist()
        shares = logits.double().softmax(1)[:, numbers].tolist()
    found, row = [], 0
    for item in items:
        if isinstance(item, Failure):
            found.append(Row(item.path, problem=item.reason or "cannot be used"))
            continue
        mine = scores[row]
        if not all(map(math.isfinite, mine)):
            found.append(Row(shown(item.path), problem="the model's answer is no number"))
            row += 1
            continue
        best = mine.index(max(mine))
        found.append(Row(shown(item.path), best, shares[row][best], tuple(mine)))
        row += 1
    return found


def _write_top(path: Path, record: RankRecord) -> None:
    """The best photos as a table."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["rank", "path", "score", "class", "probability"])
    for rank, one in enumerate(record.top, start=1):
        writer.writerow(
            [rank, one.path, f"{one.score:.7g}", one.class_name, f"{one.probability:.6g}"]
        )
    write_atomically(path, text.getvalue().encode("utf-8", "replace"))


def _device(options: RankOptions) -> torch.device:
    return torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
