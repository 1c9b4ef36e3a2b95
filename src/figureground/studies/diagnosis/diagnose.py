"""Diagnose a classifier: how much of its answer is the background?"""

__all__ = ["diagnose_images"]

import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from figureground.base.claim import Claim, claimed
from figureground.base.errors import DataError
from figureground.base.identity import digest, model_identity
from figureground.base.progress import Progress, no_progress
from figureground.base.record import write_atomically, write_json
from figureground.base.store import STORED, Store
from figureground.engines import Where, elsewhere, own_device
from figureground.models import Classifier
from figureground.models.predicting import chosen_device, placed
from figureground.studies.diagnosis.asking import ASKED, ask_for_boxes
from figureground.studies.diagnosis.crossing import Crossing, Network, cross_scenes, units_of
from figureground.studies.diagnosis.findings import find, image_rows, verdict_sentence
from figureground.studies.diagnosis.map_places import (
    MapPlaces,
    map_units,
    measure_maps,
    places_table,
)
from figureground.studies.diagnosis.offer import ProbeModel, load_probe
from figureground.studies.diagnosis.options import DiagnoseOptions, DiagnosisRecord
from figureground.studies.diagnosis.parts import Parts, measure_parts, part_units
from figureground.studies.diagnosis.recommendation import mark_boxes, recommend
from figureground.studies.diagnosis.recording import (
    About,
    arrays_of,
    check_labels,
    csv_of,
    record_of,
    told_of,
)
from figureground.studies.diagnosis.rows import NAMED
from figureground.studies.diagnosis.scenes import Scenes, check_enough, is_enough, read_scenes
from figureground.studies.diagnosis.screening import (
    ASSUMED,
    asked_less,
    needed,
    screened_record,
    with_unmarked,
)
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.tables import model_description
from figureground.studies.models import LoadedModel

_WRITES = (*STORED, "pairs.npz", "per_image.csv", "treatment.yaml", ASKED, "ask_boxes.html")
_BY_HOLE = (
    "most images are the only one of their class, so that no other background of the class is at hand: the verdict "
    "compares with the own background that has another object's hole, which is an upper bound"
)
_MAIN = ""  # prefix of the units that a verdict is made of


@dataclass(frozen=True, eq=False)
class _Job:
    """What is asked of whom."""

    loaded: LoadedModel
    images: EvaluationSet
    probe: ProbeModel | None
    options: DiagnoseOptions
    claim: Claim
    overwrite: bool
    progress: Progress
    where: Where

    @property
    def asked(self) -> dict[str, str]:
        """What decides the answers, for the folder's mark."""
        told = self.options.deciding.description | {
            "data": self.images.name,
            "model": self.loaded.classifier.name,
        }
        return {name: words for name, words in told.items() if name != "ask_boxes"}

    @property
    def key(self) -> str:
        """Of everything that the answers depend on."""
        networks = [model_identity(self.loaded.classifier)]
        networks += [model_identity(self.probe.classifier)] if self.probe is not None else []
        return digest("diagnosis", self.options.deciding, *networks, self.images.identity)


@dataclass(frozen=True, eq=False)
class _Looks:
    """What was seen in the network beside its answers; None where that was not asked for."""

    maps: MapPlaces | None = None
    parts: Parts | None = None


def diagnose_images(
    loaded: LoadedModel,
    data: str | Path | EvaluationSet | None = None,
    *,
    out: Path | str,
    options: DiagnoseOptions | None = None,
    data_options: DataOptions | None = None,
    device: Where = None,
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
        device: Where to compute: a device, or ``EngineOptions`` for the worker processes of a Ray cluster, which ask
            the network of composites. None takes CUDA where there is one.
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
    probe = load_probe(chosen)
    with ExitStack() as stack:
        claim = stack.enter_context(claimed(out, "diagnosis", writes=_WRITES))
        for left in claim.folder.glob(f"{NAMED}*"):
            left.unlink()  # of a run that was killed
        for one in (loaded, *([probe] if probe is not None else ())):
            stack.enter_context(placed(one.classifier, chosen_device(own_device(device))))
        record = _diagnosed(_Job(loaded, images, probe, chosen, claim, overwrite, progress, device))
        record = replace(record, seconds=round(time.perf_counter() - began, 1))
        write_json(claim.folder / "record.json", record)
    return record


def _diagnosed(job: _Job) -> DiagnosisRecord:
    """Scenes, answers, files and the record, which is written by the caller."""
    images, claim, deciding = job.images, job.claim, job.options.deciding
    claim.check(job.asked, overwrite=job.overwrite)
    with ExitStack() as stack:

        def read(fill: str, centre: float | None = None) -> Scenes:
            made = read_scenes(
                images,
                claim.folder,
                fill=fill,
                progress=job.progress,
                centre=centre,
                shared=elsewhere(job.where),
            )
            return stack.enter_context(closing(made))

        scenes = read(deciding.fill)
        views = {_MAIN: scenes} if is_enough(scenes) else {}
        for one in needed(scenes, deciding):
            views[one.prefix] = read(one.fill or deciding.fill, one.share)
        if not views or not all(map(is_enough, views.values())):
            check_enough(scenes, images)
        return _measured(job, scenes, views)


def _measured(job: _Job, scenes: Scenes, views: Mapping[str, Scenes]) -> DiagnosisRecord:
    """Answers, those of earlier runs included, and the record of them."""
    deciding, classifier = job.options.deciding, job.loaded.classifier
    units = {name: units_of(made, _asked_of(name, deciding), name) for name, made in views.items()}
    if _MAIN in views:
        units[_MAIN] += [*map_units(scenes, deciding), *part_units(scenes, deciding)]
    wanted = {unit: job.key for some in units.values() for unit in some}
    store = Store(job.claim, job=job.key, asked=job.asked, wanted=wanted, overwrite=job.overwrite)
    crossings = {
        name: cross_scenes(
            made,
            Network(classifier, _background_output(job.loaded)),
            store=store,
            options=_asked_of(name, deciding),
            progress=job.progress,
            prefix=name,
            probe=job.probe,
            where=job.where,
        )
        for name, made in views.items()
    }
    check_labels(next(iter(crossings.values())))
    looks = _Looks()
    if _MAIN in views:
        told: dict[str, Any] = {"store": store, "options": deciding, "progress": job.progress}
        places = measure_maps(scenes, classifier, **told)
        looks = _Looks(places, measure_parts(scenes, classifier, **told))
    store.begin()
    store.write_arrays("pairs.npz", arrays_of(store, crossings))
    return _record(job, scenes, crossings, looks=looks)


def _asked_of(name: str, options: DiagnoseOptions) -> DiagnoseOptions:
    """What is measured of a set of scenes."""
    return options if name == _MAIN else asked_less(options)


def _background_output(loaded: LoadedModel) -> int | None:
    """The output that stands for background; it is no class."""
    if loaded.run is not None:
        return loaded.run.num_classes if loaded.run.has_background else None
    names = [name.casefold() for name in loaded.classifier.class_names or ()]
    return names.index("background") if "background" in names and len(names) > 2 else None


def _record(
    job: _Job, scenes: Scenes, crossings: Mapping[str, Crossing], *, looks: _Looks
) -> DiagnosisRecord:
    """Numbers and pictures, and the files that hold them."""
    loaded, images, out = job.loaded, job.images, job.claim.place
    problems, lost, odd = told_of(images.problems, scenes.problems)
    notes = [*loaded.classifier.notes, *images.notes, *odd, *_notes(job, scenes, crossings)]
    if job.options.ask_boxes:
        notes.append(
            ask_for_boxes(
                images,
                scenes.unmarked,
                loaded.classifier,
                folder=job.claim.folder,
                count=job.options.ask_boxes,
                seed=job.options.seed,
            )
        )

    def class_name(number: int) -> str:
        return _name(loaded.classifier, number)

    model = model_description(loaded.classifier)
    about = About(model, class_name, images.description, tuple(notes), problems, lost)
    if _MAIN not in crossings:
        asked = (job.claim.folder / ASKED).exists()
        data = images.name.partition(",")[0] if images.class_names else images.name
        data = "" if loaded.run is not None and images.class_names else data
        advice = mark_boxes(loaded, data, out=out, asked=asked)
        screens = {one: crossings[one.prefix] for one in ASSUMED}
        return screened_record(screens, scenes, about, advice=advice, options=job.options)
    return _verdict(job, crossings, about, looks=looks)


def _verdict(
    job: _Job, crossings: Mapping[str, Crossing], about: About, *, looks: _Looks
) -> DiagnosisRecord:
    """The record of a diagnosis with boxes."""
    options, crossing, folder = job.options, crossings[_MAIN], job.claim.folder
    found = find(crossing, options)
    sentence = verdict_sentence(found, options)
    advice = recommend(found, job.loaded, sentence, options=options, out=job.claim.place)
    more = [] if looks.maps is None else [places_table(looks.maps, found)]
    if ASSUMED[0].prefix in crossings:
        estimate = with_unmarked(found, crossing, crossings[ASSUMED[0].prefix], options=options)
        more += [estimate] if estimate is not None else []
    rows = image_rows(found, crossing, about.names(crossing))
    write_atomically(folder / "per_image.csv", csv_of(rows))
    if advice.recipe:
        write_atomically(folder / "treatment.yaml", advice.recipe.encode())
    if found.by_hole:
        about = replace(about, notes=(*about.notes, _BY_HOLE))
    return record_of(
        found,
        crossing,
        about,
        advice=advice,
        options=options,
        more=tuple(more),
        parts=looks.parts,
    )


def _notes(job: _Job, scenes: Scenes, crossings: Mapping[str, Crossing]) -> list[str]:
    """What the reader must know."""
    notes = []
    unmarked, kept = len(scenes.unmarked), len(scenes)
    left = len(scenes.problems) - unmarked
    if left > kept + unmarked:
        notes.append(
            f"more than half of the images, {left} of {left + kept + unmarked}, could not take part: see the list"
        )
    if unmarked and kept:
        notes.append(
            f"{unmarked} of {unmarked + kept} images have no box and no mask: {kept} are what the numbers are of"
        )
    dropped = _background_output(job.loaded)
    if dropped is not None:
        best = torch.cat([one.best for each in crossings.values() for one in each.answers.values()])
        notes.append(f"the output for background (number {dropped}) is left out of all answers")
        assert not bool((best == dropped).any())  # noqa: S101 - its logit is minus infinity
    if job.options.allow_training_images:
        notes.append("the images may be those that the network was trained on")
    return notes


def _name(classifier: Classifier, number: int) -> str:
    """The first of the synonyms of a class."""
    return classifier.class_name(number).partition(",")[0]
