"""Boxes that somebody else predicted, judged as ours are: no network runs and no image is decoded."""

__all__ = ["evaluate_predictions"]

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from figureground.base.claim import claimed
from figureground.base.errors import DataError, OptionError, unknown_option
from figureground.base.identity import digest
from figureground.base.record import provenance, write_json
from figureground.base.store import STORED, Store
from figureground.data.predicted_boxes import read_predicted_boxes
from figureground.data.splits import random_subset
from figureground.metrics.localisation.box_accuracy import hits, iou
from figureground.studies.answers import Answer, answer, contrasts, row_name
from figureground.studies.evaluation.boxes import FINDS, KNOWN, OVERLAPS
from figureground.studies.evaluation.class_ids import read_class_ids
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.items import Item, Source, read_source
from figureground.studies.evaluation.tables import (
    EvaluationRecord,
    ImageProblem,
    Measure,
    counted,
    difference_table,
    interval_table,
    left_out,
    mean_table,
)

_NUMBERS, _UNIT, _AT_ONCE = "per_image.npz", "00000", 64
# row -> share of each side of the image that its box takes, in the middle
_BASELINES = {"centre-box": 0.5**0.5, "whole-image": 1.0}
_MEASURES = (
    *(Measure(f"box {one:g}", f"box acc @{one:g}") for one in OVERLAPS),
    Measure("top-1", "Top-1 loc"),
    Measure("top-5", "Top-5 loc"),
    Measure("class-1", "Top-1 class"),
    Measure("class-5", "Top-5 class"),
)
_CAPTION = (
    "Per cent of the images. box acc: the first box, whatever its class; GT-known is box acc @0.5. Top-k loc: one of "
    "the first k guesses has the true class, and its box overlaps by 0.5; Top-k class: the class alone. Empty where "
    "the file states no class, or one guess an image. A missing box misses. No threshold is chosen: all images count."
)


def evaluate_predictions(
    evaluation: Any,  # noqa: ANN401 - a Localisation, which imports what this page needs
    model: object,
    data: object,
    *,
    out: Path | str,
    options: DataOptions | None = None,
    overwrite: bool = False,
) -> EvaluationRecord:
    """Judge files of boxes, each a row of the tables, beside the boxes that need no network.

    Args:
        evaluation: A ``Localisation`` with ``predictions``.
        model: None.
        data: Images with boxes, as for ``evaluate``; the images themselves may be missing.
        out: The folder; gets ``per_image.npz`` and, last, ``record.json``.
        options: What the data leave open; ``class_ids`` are those of the predictions here.
        overwrite: Replace the answer to another question.

    Returns:
        The record.

    Raises:
        OptionError: A model or maps as well, or two files of one name.
        DataError: A file cannot be read, no image has a box, or the folder holds something else.
    """
    began = time.perf_counter()
    chosen = options or DataOptions(seed=evaluation.seed)
    files = _files(evaluation, model, data)
    asked = _asked(evaluation, chosen)
    told = asked | {"data": str(data), "model": "none"}
    with claimed(out, evaluation.kind, writes=(*STORED, _NUMBERS)) as claim:
        claim.check(told, overwrite=overwrite)
        found = _measured(
            evaluation, read_source(str(data), _unseen(chosen)), files, options=chosen
        )
        problems, examples = counted(found.problems)
        record = EvaluationRecord(
            kind=evaluation.kind,
            title="Do the predicted boxes find the object?",
            data=found.data,
            images=len(found.columns["name"]),
            model={},
            methods=found.rows,
            options=asked,
            tables=_tables(evaluation, found),
            charts=(),
            problems=problems,
            examples_of_problems=examples,
            notes=tuple(found.notes),
            cases=(),
            seconds=round(time.perf_counter() - began, 1),
            provenance=provenance(seeds=(evaluation.seed,)),
            left_out=left_out(found.problems),
            answer=_answer(evaluation, found),
        )
        job = digest("predictions", told)
        # boxes are judged in seconds: nothing of an earlier run is used
        store = Store(claim, job=job, asked=told, wanted={_UNIT: job}, overwrite=True)
        store.add_columns(_UNIT, found.columns)
        store.write_columns(_NUMBERS)
        write_json(claim.folder / "record.json", record)
    return record


@dataclass(eq=False)
class _Found:
    """What was measured.

    Args:
        data: What it was measured on, in words.
        columns: Numbers of each entry.
        rows: Row of the tables -> what it is.
        problems: What could not be used.
        notes: What the reader must know.
    """

    data: str
    columns: dict[str, np.ndarray]
    rows: dict[str, str] = field(default_factory=dict)
    problems: list[ImageProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _files(evaluation: Any, model: object, data: object) -> dict[str, Path]:  # noqa: ANN401 - as above
    """Row of the tables -> file."""
    if model is not None or evaluation.maps:
        raise OptionError(
            "predicted boxes (--predictions) are measured alone: leave out --model and --maps"
        )
    if data is None or not isinstance(data, str | Path):
        raise OptionError("predicted boxes need the true ones: name their annotations")
    files: dict[str, Path] = {}
    for file in evaluation.predictions:
        if file.stem in files or file.stem in _BASELINES:
            raise OptionError(f"two rows would be called '{file.stem}'; rename {file}")
        files[file.stem] = file
    return files


def _asked(evaluation: Any, options: DataOptions) -> dict[str, str]:  # noqa: ANN401 - as above
    """All that changes the numbers."""
    told = {**evaluation.description, **options.description}
    names = ("predictions", "prediction_corners", "reference", "seed")
    about = ("images", "split", "label_offset", "class_ids", "limit")
    return {name: told[name] for name in (*names, *about)}


def _unseen(options: DataOptions) -> DataOptions:
    """The annotations alone; ids of the file of ids are those of the predictions."""
    return replace(options, class_ids=None, needs_images=False)


def _measured(
    evaluation: Any,  # noqa: ANN401 - as above
    source: Source,
    files: Mapping[str, Path],
    *,
    options: DataOptions,
) -> _Found:
    """Every row of numbers."""
    judged = [one for one in source.items if len(one.boxes)]
    if not judged:
        raise DataError(f"no image of {source.description} has a box")
    judged = [judged[at] for at in random_subset(len(judged), options.limit, seed=options.seed)]
    names = tuple(dict.fromkeys(one.name for one in source.items))
    place = {name: at for at, name in enumerate(names)}
    found = _Found(
        f"{source.name or source.description} ({len(judged)} entries with boxes)",
        {"name": np.array([one.name for one in judged], np.str_)},
        problems=[one for one in source.problems if one.kind != "note"],
        notes=[one.message for one in source.problems if one.kind == "note"],
    )
    found.problems += [
        ImageProblem("not-judged", one.name, "left out of the numbers: no box")
        for one in source.items
        if not len(one.boxes)
    ]
    images = [place[one.name] for one in judged]
    true = [_text(one.label, options.label_offset or 0) for one in judged]
    ids = None if options.class_ids is None else read_class_ids(options.class_ids)
    seen = {one.name for one in judged}
    for row, file in files.items():
        read = read_predicted_boxes(file, names, corners=evaluation.prediction_corners)
        found.rows[row] = f"boxes of {file}"
        # of images that are not judged nothing is missed
        met = [one for one in read.problems if one.where in seen or one.where not in place]
        found.problems += [ImageProblem(one.kind, one.where, one.message) for one in met]
        guessed = [_classes(read.labels[at], ids) for at in images]
        if ids is not None:
            found.problems += _without_id([read.labels[at] for at in images], ids, file)
        found.notes += [note for note in (read.note, _strange(file, guessed, true)) if note]
        right = _right(guessed, true, read.boxes.shape[1])
        found.columns |= _numbers(row, _overlaps(read.boxes[images], judged), right)
    _add_baselines(found, judged)
    return found


_Classes = tuple[str | None, ...]  # of the guesses for one image; None where none is stated


def _text(label: int | str | None, offset: int) -> str | None:
    """A true class as predictions write it."""
    if label is None:
        return None
    return str(label + offset if isinstance(label, int) else label).strip().casefold()


def _classes(labels: _Classes, ids: Mapping[str, int | str] | None) -> _Classes:
    """Classes of guesses as ours; empty text, which is no class, where the file of ids does not know one."""
    if ids is not None:
        labels = tuple(None if one is None else str(ids.get(one, "")) for one in labels)
    return tuple(None if one is None else one.casefold() for one in labels)


def _without_id(
    guessed: Sequence[_Classes], ids: Mapping[str, int | str], file: Path
) -> list[ImageProblem]:
    """Each class that the file of ids does not know, once."""
    unknown = Counter(one for some in guessed for one in some if one is not None and one not in ids)
    return [
        ImageProblem(
            "unknown-label", file.name, f"{times} guesses count as wrong: no class id '{one}' is known"
        )
        for one, times in unknown.items()
    ]  # fmt: skip


def _strange(file: Path, guessed: Sequence[_Classes], true: Sequence[str | None]) -> str:
    """What to say where classes are written in two ways; empty where they meet."""
    theirs = {one for some in guessed for one in some if one is not None}
    ours = {one for one in true if one is not None}
    if not theirs or not ours or theirs & ours:
        return ""
    return (
        f"no class in {file.name} ('{min(theirs)}', ...) is one of the annotations' ('{min(ours)}', ...): "
        "--class-ids FILE says which is which"
    )


def _right(
    guessed: Sequence[_Classes], true: Sequence[str | None], most: int
) -> Float[np.ndarray, "N G"]:
    """1 where a guess has the true class, 0 where not or where there is none; NaN where nobody says."""
    right = np.zeros((len(true), most), np.float32)
    if not any(one is not None for some in guessed for one in some):
        return right * np.nan
    for at, (labels, one) in enumerate(zip(guessed, true, strict=True)):
        right[at, : len(labels)] = [np.nan if label is None else label == one for label in labels]
        if one is None:
            right[at] = np.nan
    return right


def _overlaps(boxes: Float[np.ndarray, "N G 4"], judged: Sequence[Item]) -> torch.Tensor:
    """Best intersection over union of each box with a true one, (N, G); 0 where there is no box."""
    absent = np.isnan(boxes).any(2)
    theirs = torch.from_numpy(np.where(absent[..., None], 0, boxes).astype(np.float32))
    found = torch.zeros(theirs.shape[:2])
    for start in range(0, len(judged), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        some = [torch.from_numpy(one.boxes) for one in judged[here]]
        owner = torch.repeat_interleave(torch.tensor([len(one) for one in some]))
        table = iou(theirs[here].reshape(-1, 4), torch.cat(some))
        table = table.reshape(len(some), -1, len(owner))
        own = owner == torch.arange(len(some))[:, None]
        found[here] = (table * own[:, None]).amax(2)
    return found.masked_fill(torch.from_numpy(absent), 0)


def _numbers(
    row: str, overlaps: torch.Tensor, right: Float[np.ndarray, "N G"]
) -> dict[str, np.ndarray]:
    """Every measure of every entry, per cent; NaN where not defined."""
    count, most = right.shape
    found = {
        f"box {one:g}": hits(overlaps[:, :1], one)[:, 0].numpy().astype(np.float64)
        for one in OVERLAPS
    }
    hit = hits(overlaps, 0.5).numpy()
    for top in (1, 5):
        some = right[:, :top] == 1
        # one guess an image says nothing of five
        unknown = np.isnan(right[:, 0]) if top == 1 or most > 1 else np.ones(count, bool)
        for key, values in ((f"top-{top}", some & hit[:, :top]), (f"class-{top}", some)):
            found[key] = np.where(unknown, np.nan, values.any(1))
    return {f"{row}/{key}": 100 * values for key, values in found.items()}


def _add_baselines(found: _Found, judged: Sequence[Item]) -> None:
    """Boxes that know no network, where the sizes of all images are known."""
    if any(one.size is None for one in judged):
        unknown = sum(one.size is None for one in judged)
        found.notes.append(
            f"no baselines: of {unknown} images neither the annotations nor a file tell the size"
        )
        return
    sizes = np.array([one.size for one in judged], np.float32)
    for row, share in _BASELINES.items():
        corners = np.concatenate([(1 - share) / 2 * sizes, (1 + share) / 2 * sizes], axis=1)
        nobody = np.full((len(judged), 1), np.nan, np.float32)
        overlaps = _overlaps(corners[:, None].astype(np.float32), judged)
        found.columns |= _numbers(row, overlaps, nobody)
        found.rows[row] = "baseline that knows no network"


def _answer(evaluation: Any, found: _Found) -> Answer:  # noqa: ANN401 - as above
    """Every file against the baseline that does best, where there are baselines."""
    names = {row: row_name(row) for row in found.rows}
    baselines = {row: name for row, name in names.items() if row in _BASELINES}
    own = {row: name for row, name in names.items() if row not in _BASELINES}
    told = contrasts(
        found.columns.__getitem__,
        own,
        f"box {OVERLAPS[KNOWN]:g}",
        baselines=baselines,
        question=FINDS,
        seed=evaluation.seed,
    )
    return answer(FINDS, told, names)


def _tables(evaluation: Any, found: _Found) -> tuple[dict[str, Any], ...]:  # noqa: ANN401 - as above
    """Means, intervals and differences."""
    reference = evaluation.reference or next(iter(found.rows))
    if reference not in found.rows:
        error: OptionError = unknown_option("row to compare with", reference, found.rows)
        raise error
    read, rows, seed = found.columns.__getitem__, list(found.rows), evaluation.seed
    others = {row: reference for row in rows if row != reference}
    title = f"Differences from {reference}, points"
    return (
        mean_table(read, rows, _MEASURES, title="Predicted boxes, %", caption=_CAPTION),
        interval_table(read, rows, _MEASURES, title="Intervals, %", seed=seed),
        difference_table(read, others, _MEASURES, title=title, seed=seed),
    )
