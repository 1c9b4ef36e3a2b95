"""Diagnose a classifier: how much of its answer is the background?"""

__all__ = ["diagnose_images"]

import csv
import io
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from figureground.base.claim import Claim, claimed
from figureground.base.errors import DataError
from figureground.base.identity import digest, model_identity
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_atomically, write_json
from figureground.base.store import STORED, Store
from figureground.metrics.classification import highest_by_chance
from figureground.models import Classifier
from figureground.models.predicting import chosen_device, placed
from figureground.studies.diagnosis.crossing import Crossing, cross_scenes, units_of
from figureground.studies.diagnosis.findings import (
    Findings,
    find,
    image_rows,
    numbers_of_record,
    tables_of,
    verdict_sentence,
)
from figureground.studies.diagnosis.options import DiagnoseOptions, DiagnosisRecord
from figureground.studies.diagnosis.pictures import draw_cells, draw_grids, draw_strips
from figureground.studies.diagnosis.recommendation import Recommendation, recommend
from figureground.studies.diagnosis.scenes import check_enough, read_scenes
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.tables import model_description
from figureground.studies.models import LoadedModel

_WRITES = (*STORED, "pairs.npz", "per_image.csv", "treatment.yaml")


def diagnose_images(
    loaded: LoadedModel,
    data: str | Path | EvaluationSet | None = None,
    *,
    out: Path | str,
    options: DiagnoseOptions | None = None,
    data_options: DataOptions | None = None,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> DiagnosisRecord:
    """Cross foregrounds and backgrounds of images, and say how far the classifier rests on the background.

    Args:
        loaded: The model, and the run that it comes from.
        data: As for ``evaluate``: images with boxes or masks; None for the held-out data of the run.
        out: The folder; gets ``pairs.npz``, ``per_image.csv``, perhaps ``treatment.yaml`` and, last, ``record.json``. A
            diagnosis that was stopped goes on there.
        options: What is measured and what counts as much.
        data_options: What the data leave open.
        device: Where to compute; None takes CUDA where there is one.
        overwrite: Measure again what an earlier run measured.
        progress: Called throughout.

    Returns:
        The record.

    Raises:
        DataError: The images are those that the run was trained on, too few of them can be used, the network is at
            chance on them, or the folder holds something else.
    """
    began = time.perf_counter()
    chosen = options or DiagnoseOptions()
    asked_of = data_options or DataOptions(seed=chosen.seed)
    if asked_of.split == "train" and loaded.run is not None and not chosen.allow_training_images:
        raise DataError(
            "the run was trained on these images, so that its accuracy on them says nothing; name held-out images, or "
            "go on with --allow-training-images"
        )
    images = (
        data
        if isinstance(data, EvaluationSet)
        else open_images(data, loaded.classifier, asked_of, run=loaded.run)
    )
    with (
        claimed(out, "diagnosis", writes=_WRITES) as claim,
        placed(loaded.classifier, chosen_device(device)),
    ):
        asked = chosen.description | {"data": images.name, "model": loaded.classifier.name}
        claim.check(asked, overwrite=overwrite)
        scenes = read_scenes(images, claim.folder, fill=chosen.fill, progress=progress)
        try:
            check_enough(scenes, images)
            job = digest("diagnosis", chosen, model_identity(loaded.classifier), images.identity)
            wanted = dict.fromkeys(units_of(scenes, chosen), job)
            store = Store(claim, job=job, asked=asked, wanted=wanted, overwrite=overwrite)
            crossing = cross_scenes(
                scenes,
                loaded.classifier,
                store=store,
                options=chosen,
                dropped=_background_output(loaded),
                progress=progress,
            )
            store.begin()
            record = _record(loaded, images, crossing, options=chosen, claim=claim, store=store)
        finally:
            scenes.close()
        record = replace(record, seconds=round(time.perf_counter() - began, 1))
        write_json(claim.folder / "record.json", record)
    return record


def _background_output(loaded: LoadedModel) -> int | None:
    """The output that stands for background; it is no class."""
    if loaded.run is not None:
        return loaded.run.num_classes if loaded.run.has_background else None
    names = [name.casefold() for name in loaded.classifier.class_names or ()]
    return names.index("background") if "background" in names and len(names) > 2 else None


def _record(
    loaded: LoadedModel,
    images: EvaluationSet,
    crossing: Crossing,
    *,
    options: DiagnoseOptions,
    claim: Claim,
    store: Store,
) -> DiagnosisRecord:
    """Numbers, pictures and files; the record itself is written by the caller."""
    _check_labels(crossing)
    found = find(crossing, options)
    names = [_name(loaded.classifier, int(label)) for label in crossing.classes]
    sentence = verdict_sentence(found, options)
    advice = recommend(found, loaded, sentence, options=options, out=str(claim.folder))
    _write_files(store, crossing, rows=image_rows(found, crossing, names), advice=advice)
    return DiagnosisRecord(
        verdict=sentence,
        word=found.verdict.word,
        what_if=_what_if(found),
        numbers=numbers_of_record(found),
        cue=found.cue,
        recommendation=advice.sentences,
        recipe=advice.recipe,
        commands=advice.commands,
        strips=draw_strips(
            found, crossing, names, model_names=_namer(loaded.classifier), count=options.examples
        ),
        grids=draw_grids(found, crossing, names),
        cell_picture=draw_cells(crossing),
        classes=_chart(found, names),
        data=images.description,
        images=len(crossing.scenes),
        model=model_description(loaded.classifier),
        options=options.description,
        tables=tables_of(found, crossing, names, options=options),
        notes=(
            *loaded.classifier.notes,
            *images.notes,
            *_notes(found, loaded, options=options, crossing=crossing),
        ),
        problems=dict(Counter(one.kind for one in (*images.problems, *crossing.scenes.problems))),
        left_out=tuple(str(one) for one in (*images.problems, *crossing.scenes.problems)),
        seconds=0.0,
        provenance=provenance(seeds=(options.seed,)),
    )


def _what_if(found: Findings) -> tuple[tuple[float, float], ...]:
    """Accuracy where all, half and none of the objects stand on backgrounds of their class."""
    numbers = found.hits["given"].numbers
    if "v11" not in numbers:
        return ()
    own, other = numbers["v11"].mean, numbers["v10"].mean
    return tuple((share, share * own + (1 - share) * other) for share in (1.0, 0.5, 0.0))


def _check_labels(crossing: Crossing) -> None:
    """Refuse labels that the network knows nothing of."""
    truth = crossing.classes[crossing.labels]
    accuracy = float((crossing.alone["best"] == truth).float().mean())
    chance = highest_by_chance(crossing.labels)
    if accuracy <= chance:
        raise DataError(
            f"the network is right on {accuracy:.1%} of the originals, which is not above chance: is the order of the "
            "labels right? (--label-offset, --class-ids, --class-names)"
        )


def _notes(
    found: Findings, loaded: LoadedModel, *, options: DiagnoseOptions, crossing: Crossing
) -> list[str]:
    """What the reader must know."""
    notes = []
    left, kept = len(crossing.scenes.problems), len(crossing.scenes)
    if left > kept:
        notes.append(
            f"more than half of the images, {left} of {left + kept}, could not take part: see the list"
        )
    if found.by_hole:
        notes.append(
            "most images are the only one of their class, so that no other background of the class is at hand: the "
            "verdict compares with the own background that has another object's hole, which is an upper bound"
        )
    dropped = _background_output(loaded)
    if dropped is not None:
        best = torch.cat([one.best for one in crossing.answers.values()])
        notes.append(f"the output for background (number {dropped}) is left out of all answers")
        assert not bool((best == dropped).any())  # noqa: S101 - its logit is minus infinity
    if options.allow_training_images:
        notes.append("the images may be those that the network was trained on")
    return notes


def _chart(found: Findings, names: list[str]) -> tuple[dict[str, object], ...]:
    """Classes for the chart of dots and intervals."""
    return tuple(
        {
            "name": names[one.label],
            "value": round(one.pull.mean, 5),
            "low": round(one.pull.low, 5),
            "high": round(one.pull.high, 5),
            "found": one.found,
        }
        for one in found.classes[:30]
    )


def _write_files(
    store: Store, crossing: Crossing, *, rows: list[list[object]], advice: Recommendation
) -> None:
    """Pairs, one row an image, and the recipe."""
    arrays: dict[str, np.ndarray] = {"labels": crossing.scenes.labels.numpy()}
    arrays["names"] = np.array(crossing.scenes.names, np.str_)
    for unit, columns in store.parts():
        kind = unit.rpartition("-")[0]
        for name, values in columns.items():
            key = f"{kind}/{name}"
            arrays[key] = values if key not in arrays else np.concatenate([arrays[key], values])
    store.write_arrays("pairs.npz", arrays)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_atomically(store.folder / "per_image.csv", text.getvalue().encode("utf-8", "replace"))
    recipe = store.folder / "treatment.yaml"
    if advice.recipe:
        write_atomically(recipe, advice.recipe.encode())


def _namer(classifier: Classifier) -> Callable[[int], str]:
    return lambda number: _name(classifier, number)


def _name(classifier: Classifier, number: int) -> str:
    """The first of the synonyms of a class."""
    return classifier.class_name(number).partition(",")[0]
