"""Two or more ways to train, on the same held-out images: one record with all that tells them apart."""

__all__ = ["compare"]

import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from figureground.base.claim import Claim, claimed
from figureground.base.errors import DataError, OptionError
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_atomically, write_json
from figureground.data.notices import summed
from figureground.maps.image_files import png_bytes
from figureground.methods import CamMethod, find_methods
from figureground.metrics.classification import highest_by_chance
from figureground.metrics.robustness.corruptions import CORRUPTIONS
from figureground.models.predicting import chosen_device
from figureground.studies.answers import Answer
from figureground.studies.comparison.arms import Arm, read_arms
from figureground.studies.comparison.background import BackgroundFindings, background_findings
from figureground.studies.comparison.examples import Sheet, example_sheet
from figureground.studies.comparison.held_out import HeldOut, held_out
from figureground.studies.comparison.leading import led
from figureground.studies.comparison.maps import MEASURES, map_columns
from figureground.studies.comparison.measures import (
    Findings,
    corruption,
    costs,
    over_seeds,
    quality,
    unknown_images,
)
from figureground.studies.comparison.options import CompareOptions, ComparisonRecord
from figureground.studies.comparison.predictions import Predictions, predictions_of
from figureground.studies.comparison.unknown import UnknownSet, unknown_sets
from figureground.studies.evaluation.tables import Measure, difference_table, interval_table
from figureground.studies.training.runs import TrainedRun
from figureground.training.trust import trusting

_FILES = ("per_image.npz", "examples.png", "report.html", "record.json")
_QUALITY = (Measure("accuracy", "accuracy ↑"), Measure("nll", "NLL ↓"))
_CORRUPTED = Measure("corrupted", "corrupted accuracy ↑")
_DIFFERENCES = (
    "Arm less reference on the same images, averaged over the runs of each arm. 95 % percentile bootstrap of the "
    "paired differences, 2,000 resamples: images are drawn anew, runs are not, so the interval holds for these very "
    "networks; how much training seeds matter is told by the standard deviations above."
)
_MAPS = (
    "Of the true class's map, at half of its range where a threshold is needed. {} images drawn at random; 95 % "
    "bootstrap over images after averaging over the runs. Small area and entropy are concentrated maps, which is not "
    "good by itself; undefined: blank maps, or images without boxes."
)


def compare(
    arms: Mapping[str, Sequence[Path | str]],
    *,
    out: Path | str,
    options: CompareOptions | None = None,
    checkpoint: str = "best",
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
    trust_code: bool = False,
) -> ComparisonRecord:
    """Compare arms on images that none of their runs was trained or chosen on.

    Args:
        arms: Name of an arm -> folders of its runs; the first is the reference.
        out: Gets ``per_image.npz``, ``examples.png`` and, last, ``record.json``.
        options: What to compare.
        checkpoint: Of the runs: ``best``, ``last`` or ``step-N``.
        device: Where to compute; None takes CUDA where there is one.
        overwrite: Replace another comparison.
        progress: Called after every run.
        trust_code: Whether code that the folders name (a model ``file.py:function``) may run.

    Returns:
        The record.

    Raises:
        OptionError: Names or numbers that cannot be, before any work; or an unknown set without images.
        DataError: The test images cannot be used, or the folder cannot be written to, is in use, holds something else,
            or holds another comparison.
    """
    chosen, where = options or CompareOptions(), chosen_device(device)
    asked: dict[str, object] = {**chosen.description, "checkpoint": checkpoint}
    for name, folders in arms.items():
        asked[f"arm {name}"] = ", ".join(str(Path(one).resolve()) for one in folders)
    _methods(chosen)  # which may not exist
    with claimed(out, "comparison", writes=_FILES) as claim:
        claim.check(asked, overwrite=overwrite)
        with trusting(trust_code):
            read = read_arms(arms, checkpoint=checkpoint, device=where)
        return _compared(read, claim, asked, options=chosen, progress=progress)


def _compared(
    read: Sequence[Arm],
    claim: Claim,
    asked: Mapping[str, object],
    *,
    options: CompareOptions,
    progress: Progress,
) -> ComparisonRecord:
    """The comparison of arms that are in memory."""
    start, chosen, methods = time.monotonic(), options, _methods(options)
    images = held_out(read, chosen.data, limit=chosen.limit, seed=chosen.seed)
    runs = [run for arm in read for run in arm.runs]
    sets = unknown_sets(chosen.unknown, runs, images, seed=chosen.seed)
    report, found = _Report(len(runs), progress), Findings()
    grounds = _grounds(read, images, claim, options=chosen, progress=progress)
    predictions = predictions_of(
        read, images, batch_size=chosen.batch_size, report=report("test images")
    )
    _measure(found, read, predictions, images=images, sets=sets, options=chosen, report=report)
    sheet = Sheet()
    if chosen.examples:
        first = next(iter(methods.values()))
        sheet = example_sheet(predictions, images, first, count=chosen.examples, seed=chosen.seed)
    found.tables += sheet.tables
    costs(found, read)
    sizes = {one.key: len(one.labels) for given in predictions.values() for one in given}
    record = ComparisonRecord(
        data=images.description,
        images=sum(sizes.values()),
        arms={arm.name: tuple(str(run.folder) for run in arm.runs) for arm in read},
        methods={name: repr(method) for name, method in methods.items()},
        options=chosen.description | {"reference": read[0].name},
        tables=(*grounds.tables, *found.tables),
        charts=tuple(found.charts),
        examples=sheet.examples,
        concepts=sheet.concepts,
        notes=_notes(images, predictions, sheet=sheet, sets=sets),
        seconds=round(time.monotonic() - start, 1),
        provenance=provenance(seeds=(chosen.seed, *sorted({run.seed for run in runs}))),
        left_out=(*_left_out(images, sets), *grounds.left_out),
        background=grounds.section,
        answer=_answer(found, predictions, grounds, seed=chosen.seed),
        numbers=_numbers(found),
    )
    claim.mark(asked)
    _forget(claim.folder / "record.json")
    _write(claim.folder, record, columns=found.columns, sheet=sheet)
    return record


def _notes(
    images: HeldOut, predictions: Predictions, *, sheet: Sheet, sets: Sequence[UnknownSet]
) -> tuple[str, ...]:
    """What the reader must know."""
    noticed = [*images.noticed, *(told for one in sets for told in one.noticed)]
    return (*images.notes, *_at_chance(predictions), *sheet.notes, *summed(noticed))


def _answer(
    found: Findings, predictions: Predictions, grounds: BackgroundFindings, *, seed: int
) -> Answer:
    """What the page leads with."""
    return led(
        found.columns,
        list(predictions),
        unlearned=list(dict.fromkeys(arm for arm, _, _ in _unlearned(predictions))),
        runs=found.values["accuracy ↑"],
        background=grounds.section,
        seed=seed,
    )


def _grounds(
    read: Sequence[Arm],
    images: HeldOut,
    claim: Claim,
    *,
    options: CompareOptions,
    progress: Progress,
) -> BackgroundFindings:
    """How much the arms rest on the background; nothing where that is not asked."""
    if not options.background:
        return BackgroundFindings()
    return background_findings(
        read, images, folder=claim.folder, options=options, progress=progress
    )


def _numbers(found: Findings) -> dict[str, dict[str, dict[str, float]]]:
    """Measure -> arm -> seed -> number of that run, where it is one."""
    return {
        measure: {
            arm: {str(seed): value for seed, value in sorted(seeds.items()) if math.isfinite(value)}
            for arm, seeds in arms.items()
        }
        for measure, arms in found.values.items()
    }


def _left_out(images: HeldOut, sets: Sequence[UnknownSet]) -> tuple[str, ...]:
    """Images that could not be decoded, each once."""
    lost = [line for one in sets for line in one.left_out]
    return tuple(dict.fromkeys([*images.left_out, *lost]))


def _methods(options: CompareOptions) -> dict[str, CamMethod]:
    """Those that make the maps."""
    given = options.methods
    found = find_methods(list(given.values()) if isinstance(given, Mapping) else given)
    if "dff" in found:
        raise OptionError("dff makes a map per concept, not one per class that can be measured")
    return found


def _measure(
    found: Findings,
    arms: Sequence[Arm],
    predictions: Predictions,
    *,
    images: HeldOut,
    sets: Sequence[UnknownSet],
    options: CompareOptions,
    report: "_Report",
) -> None:
    """Everything but the examples."""
    size, seed = options.batch_size, options.seed
    tests = quality(found, predictions)
    found.tables += [_differences(found, arms, _QUALITY, title="Differences", seed=seed), *tests]
    if sets:
        told = report("unknown images", len(sets))
        unknown_images(found, predictions, sets, batch_size=size, report=told)
    if options.corrupted:
        names, told = options.corruptions or tuple(CORRUPTIONS), report("corrupted images")
        limit = options.corrupted
        corruption(
            found, predictions, images, names=names, limit=limit, batch_size=size, report=told
        )
        title = "Corrupted images: differences"
        found.tables.append(_differences(found, arms, [_CORRUPTED], title=title, seed=seed))
    if options.maps:
        methods = _methods(options)
        found.columns |= map_columns(
            predictions, images, methods, limit=options.maps, report=report("maps"), note=found.note
        )
        found.tables += _map_tables(found, arms, tuple(methods), seed=seed)
    over_seeds(found, arms[0].name)


class _Report:
    """Counts the runs that are through with a stage."""

    def __init__(self, runs: int, progress: Progress) -> None:
        self._runs, self._progress = runs, progress

    def __call__(self, stage: str, times: int = 1) -> Callable[[TrainedRun], None]:
        done, total = iter(range(1, times * self._runs + 1)), times * self._runs
        self._progress(stage, 0, total)
        return lambda _: self._progress(stage, next(done), total)


def _at_chance(predictions: Predictions) -> list[str]:
    """What to say of arms with a run that has learnt nothing."""
    return [
        f"arm '{arm}': {accuracy:.1%} of the test images of the run in {folder} are right, which is not above "
        "chance: it has learnt nothing, and nothing follows about the maps of this arm"
        for arm, folder, accuracy in _unlearned(predictions)
    ]


def _unlearned(predictions: Predictions) -> list[tuple[str, Path, float]]:
    """Arm, folder and accuracy of each run that is right no more often than by chance."""
    return [
        (arm, one.run.folder, accuracy)
        for arm, given in predictions.items()
        for one in given
        if (accuracy := float(one.right.float().mean())) <= highest_by_chance(one.labels)
    ]


def _differences(
    found: Findings,
    arms: Sequence[Arm],
    measures: Sequence[Measure],
    *,
    title: str,
    seed: int,
    rows: Sequence[str] = ("",),
) -> dict[str, Any]:
    """Every arm less the reference; ``rows`` are what follows the names of the arms."""
    pairs = {f"{arm.name}{row}": f"{arms[0].name}{row}" for row in rows for arm in arms[1:]}
    told = difference_table(found.columns.__getitem__, pairs, measures, title=title, seed=seed)
    return _of_arms(told) | {"caption": _DIFFERENCES}


def _map_tables(
    found: Findings, arms: Sequence[Arm], methods: Sequence[str], *, seed: int
) -> list[dict[str, Any]]:
    """Intervals and differences of what is defined for some image."""
    suffixes = [""] if len(methods) == 1 else [f", {name}" for name in methods]
    rows = [f"{arm.name}{suffix}" for arm in arms for suffix in suffixes]
    read = found.columns.__getitem__
    measures = [
        m for m in MEASURES if not all(np.isnan(read(f"{row}/{m.key}")).all() for row in rows)
    ]
    title = f"Maps: {', '.join(methods)}"
    intervals = interval_table(read, rows, measures, title=title, seed=seed)
    caption = _MAPS.format(len(read(f"{rows[0]}/{MEASURES[0].key}")))
    differences = _differences(
        found, arms, measures, title=f"{title}: differences", seed=seed, rows=suffixes
    )
    return [_of_arms(intervals) | {"caption": caption}, differences]


def _of_arms(told: dict[str, Any]) -> dict[str, Any]:
    """The same table, its rows called arms."""
    return told | {"columns": ["arm" if name == "method" else name for name in told["columns"]]}


def _forget(record: Path) -> None:
    """An earlier comparison's record: from here on the folder is not a finished one."""
    try:
        record.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot write {record.parent}: {error.strerror or error}") from error


def _write(
    out: Path, record: ComparisonRecord, *, columns: Mapping[str, np.ndarray], sheet: Sheet
) -> None:
    """Numbers and examples, then the record."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(columns))  # type: ignore[arg-type]
    write_atomically(out / "per_image.npz", buffer.getvalue())
    if sheet.picture is not None:
        write_atomically(out / "examples.png", png_bytes(sheet.picture))
    write_json(out / "record.json", record)
