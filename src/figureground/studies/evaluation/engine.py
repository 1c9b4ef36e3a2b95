"""An evaluation is one declarative file: options, measures, and how one batch is measured. Everything else is here."""

__all__ = [
    "BATCH_SIZE",
    "Columns",
    "Evaluation",
    "Found",
    "MapEvaluation",
    "Measured",
    "run_evaluation",
]

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from figureground.base.claim import Claim, claimed
from figureground.base.errors import DataError, unknown_option
from figureground.base.identity import digest, model_identity
from figureground.base.options import Options, option
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_json
from figureground.base.seeds import generator
from figureground.base.shapes import Maps
from figureground.base.store import STORED, Store
from figureground.engines import Part, Where, results
from figureground.methods import CamMethod, Explainer
from figureground.methods.method import layer_notes
from figureground.methods.registry import FUSIONS, check_fusion
from figureground.models import Classifier
from figureground.studies.answers import Answer, warned
from figureground.studies.evaluation.image_set import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.measuring import Measured, Measuring
from figureground.studies.evaluation.subject import Subject, baseline_maps, refuse_shared_maps
from figureground.studies.evaluation.tables import (
    Case,
    Chart,
    EvaluationRecord,
    ImageProblem,
    Measure,
    counted,
    difference_table,
    interval_table,
    left_out,
    mean_table,
    model_description,
    noticed_apart,
)
from figureground.studies.training.runs import TrainedRun

BATCH_SIZE = "Images at a time."
_NUMBERS = "per_image.npz"
_SEED_STEP = 1_000_003  # a prime, so that batches of neighbouring seeds do not share their numbers

Columns = Mapping[str, np.ndarray]
"""Name -> one row per image. Of numbers of a row of the tables: ``row/key``."""


@dataclass(frozen=True, eq=False)
class Found:
    """All that was measured.

    Args:
        columns: Per-image numbers.
        network: The subject, or the classifier where only predictions are measured.
        images: The set.
    """

    columns: Columns
    network: Any
    images: EvaluationSet


@dataclass(frozen=True, kw_only=True)
class Evaluation(Options, ABC):
    """One question. Its fields are the options of the command, part of the record and of the identity of a job.

    Args:
        batch_size: Images at a time.
        seed: Of all that is random.
    """

    kind: ClassVar[str]
    question: ClassVar[str]
    caption: ClassVar[str] = ""
    measures: ClassVar[tuple[Measure, ...]] = ()

    batch_size: int = option(16, BATCH_SIZE, least=1, panel="Speed")
    seed: int = option(0, "Of all that is random.")

    @property
    def needs_labels(self) -> bool:
        """Whether an image is of use only where the model knows its class."""
        return True

    @abstractmethod
    def subject(self, classifier: Classifier | None) -> Subject | None:
        """What is evaluated; None where only the predictions are."""

    @abstractmethod
    def measure(
        self,
        batch: EvaluationBatch,
        network: Any,  # noqa: ANN401 - a Subject or a Classifier
    ) -> Measured | Callable[[], Measured]:
        """Numbers of a batch that is not empty, ``(N, ...)`` each, and problems.

        What needs the network no more may be returned as a function: it is called while the next batch is explained.

        Args:
            batch: The batch, on the network's device.
            network: The subject, or the classifier where there is no subject.
        """

    @abstractmethod
    def record_parts(self, found: Found) -> dict[str, Any]:
        """``tables``, and perhaps ``answer``, ``charts``, ``notes``, ``cases``, ``images``, ``options`` of the record.

        ``arrays``, file name -> columns, are written as ``.npz`` files beside it.
        """

    def of_run(self, _run: TrainedRun) -> "Evaluation":
        """The evaluation with what the run of the model says of it, where the user left it open."""
        return self

    def identity(self, _subject: Subject | None) -> object:
        """What its ``repr`` tells apart is another job, of the same network and images."""
        return self

    def random_seed(self, batch: EvaluationBatch) -> int:
        """A seed of its own for every batch, whatever was measured before."""
        return _SEED_STEP * self.seed + batch.number

    def generator(self, batch: EvaluationBatch, offset: int = 0) -> torch.Generator:
        """Random numbers of a batch."""
        return generator(self.random_seed(batch) + offset)


@dataclass(frozen=True, kw_only=True)
class MapEvaluation(Evaluation):
    """An evaluation of maps: methods and other maps are the rows of its tables.

    Args:
        methods: Names or configured methods; or row -> configured method.
        maps: Folders of maps that somebody else made.
        layer: Of the maps: names, or ``every-stage``; empty leaves the choice to figureground.
        fuse: ``mean``, ``max``, ``product`` or ``tanh-max`` of several layers.
        signed: Keep negative values of the maps instead of setting them to 0.
        reference: Row that all others are compared with; the first where None.
    """

    baselines: ClassVar[tuple[str, ...]] = ()

    methods: tuple[str | CamMethod, ...] | Mapping[str, CamMethod] = option(
        ("cam", "grad-cam", "grad-cam++", "eigen-cam", "cnn-fixations"),
        "Methods, comma-separated, with options in brackets: grad-cam,eigen-cam(center=true); 'ls methods' lists them.",
    )
    maps: tuple[Path, ...] = option(
        (), "Folder of maps STEM.npy that somebody else made; repeatable.", repeat=True
    )
    layer: tuple[str, ...] = option(
        (),
        "Layer of the maps, or several for --fuse, or every-stage. Default: found by looking at the network.",
    )
    fuse: str | None = option(None, "One map of several layers.", choices=FUSIONS)
    signed: bool = option(False, "Keep negative values of the maps instead of setting them to 0.")
    reference: str | None = option(
        None, "Row that all others are compared with. Default: the first."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fusion(self.layer, self.fuse, one_map=True)

    @property
    def needs_labels(self) -> bool:
        """Not where the predicted class is explained."""
        return getattr(self, "classes", "predicted") != "predicted"

    def subject(self, classifier: Classifier | None) -> Subject:
        """The network with its methods, other maps and baselines."""
        classes = getattr(self, "classes", "predicted")
        found = Subject(
            classifier,
            self.methods,
            classes=classes,
            folders=self.maps,
            baselines={name: partial(self.baseline, name) for name in self.baselines},
            explainer=Explainer(classifier, layer=self.layer or None, fuse=self.fuse)
            if classifier is not None and self.methods
            else None,
        )
        found.notes = layer_notes(found.methods.values(), self.layer)
        if self.reference is not None and self.reference not in found.rows:
            raise unknown_option("row to compare with", self.reference, found.rows)
        return found

    def baseline(self, name: str, batch: EvaluationBatch) -> Maps:
        """Maps of a row that knows no network, in [0, 1]."""
        return baseline_maps(name, batch.images)

    def others(self, subject: Subject) -> dict[str, str]:
        """Row -> the reference that it is compared with."""
        reference = self.reference or subject.rows[0]
        return {row: reference for row in subject.rows if row != reference}

    def record_parts(self, found: Found) -> dict[str, Any]:
        """Means of the measures, intervals and differences."""
        read, rows, seed = found.columns.__getitem__, found.network.rows, self.seed
        title, others = self.kind.capitalize(), self.others(found.network)
        return {
            "answer": self.answered(found),
            "tables": (
                mean_table(read, rows, self.measures, title=title, caption=self.caption),
                *self.tables(found),
                interval_table(
                    read, rows, self.shown(found), title=f"{title}: intervals", seed=seed
                ),
                difference_table(
                    read, others, self.measures, title=f"{title}: differences", seed=seed
                ),
            ),
            "charts": tuple(self.charts(found)),
            "notes": tuple(self.notes(found)),
            "cases": self.pictures(found),
        }

    def pictures(self, _found: Found) -> tuple[Case, ...]:
        """Images that show it."""
        return ()

    def answered(self, _found: Found) -> Answer | None:
        """What the page leads with."""
        return None

    def shown(self, _found: Found) -> Sequence[Measure]:
        """Measures whose intervals are shown."""
        return self.measures

    def tables(self, _found: Found) -> Iterable[dict[str, Any]]:
        """More tables."""
        return ()

    def charts(self, _found: Found) -> Iterable[Chart]:
        """Line charts."""
        return ()

    def notes(self, _found: Found) -> Iterable[str]:
        """What the reader must know."""
        return ()


def run_evaluation(
    evaluation: Evaluation,
    classifier: Classifier | None,
    images: EvaluationSet,
    *,
    out: Path | str,
    overwrite: bool = False,
    where: Where = None,
    progress: Progress = no_progress,
) -> EvaluationRecord:
    """Measure what an earlier run has not measured, then tables and charts, then the record.

    ``out`` gets ``parts/*.npz`` (the numbers of each batch), ``per_image.npz`` (all of them) and, last,
    ``record.json``. A run that was stopped goes on; equal questions about equal images and networks use what is stored.
    Memory does not grow with the number of images beyond their numbers.

    Args:
        evaluation: What is asked.
        classifier: The model, on its device; None where all maps come from elsewhere.
        images: The set.
        out: The folder.
        overwrite: Measure again what an earlier run measured.
        where: Who does it; this process where omitted.
        progress: Called after every batch.

    Returns:
        The record, as saved.

    Raises:
        DataError: No image could be used, or the folder holds something else, is in use, or holds the answer to another
            question.
        EngineError: Worker processes keep ending.
    """
    began = time.perf_counter()
    if classifier is not None:
        classifier.eval()
    subject = evaluation.subject(classifier)
    network = subject or classifier
    with claimed(out, evaluation.kind, writes=(*STORED, _NUMBERS)) as claim:
        store = _store_of(evaluation, network, images, claim=claim, overwrite=overwrite)
        layers = subject.chosen_layers(images.batches(1)) if subject else ()
        work = Measuring(evaluation.measure, evaluation.batch_size, network=network, images=images)
        _measure(work, store, where=where, progress=progress)
        columns = _numbers(store, images)
        met, noticed = noticed_apart([*images.problems, *_problems(store)])
        problems, examples = counted(met)
        parts = evaluation.record_parts(Found(columns, network, images))
        for name, arrays in parts.get("arrays", {}).items():
            store.write_arrays(name, arrays)
        told = [one.notes for one in (classifier, images, subject) if one is not None]
        record = EvaluationRecord(
            kind=evaluation.kind,
            title=evaluation.question,
            data=images.description,
            images=parts.get("images", len(columns["row"])),
            model=model_description(classifier, layers),
            methods={} if subject is None else subject.description,
            options=evaluation.description | parts.get("options", {}),
            tables=tuple(parts["tables"]),
            charts=tuple(parts.get("charts", ())),
            problems=problems,
            examples_of_problems=examples,
            notes=(*chain.from_iterable(told), *noticed, *parts.get("notes", ())),
            cases=tuple(parts.get("cases", ())),
            seconds=round(time.perf_counter() - began, 1),
            provenance=provenance(seeds=(evaluation.seed,)),
            left_out=left_out(met),
            answer=warned(parts.get("answer"), () if classifier is None else classifier.notes),
        )
        write_json(claim.folder / "record.json", record)
    return record


def _store_of(
    evaluation: Evaluation,
    network: Any,  # noqa: ANN401 - a Subject, a Classifier or None
    images: EvaluationSet,
    *,
    claim: Claim,
    overwrite: bool,
) -> Store:
    """What an earlier run has measured of the same."""
    subject = network if isinstance(network, Subject) else None
    classifier = network if subject is None else subject.classifier
    for folder in subject.folders if subject is not None else ():
        refuse_shared_maps(folder, images.names)
    asked = (
        evaluation.description
        | images.asked
        | {
            "data": images.name,
            "model": "none" if classifier is None else classifier.name,
        }
    )
    claim.check(asked, overwrite=overwrite)
    rows = {} if subject is None else subject.description
    told = (evaluation.kind, evaluation.identity(subject), rows)
    job = digest(*told, model_identity(classifier), images.identity)
    wanted = {f"{number:05d}": job for number in range(-(-len(images) // evaluation.batch_size))}
    return Store(claim, job=job, asked=asked, wanted=wanted, overwrite=overwrite)


def _measure(work: Measuring, store: Store, *, where: Where, progress: Progress) -> None:
    """Every batch that is not stored."""
    parts, total = [Part(unit, work.rows(int(unit))) for unit in store.unfinished()], work.total
    done = total - sum(len(part.images) for part in parts)
    progress("measuring", done, total)

    def tick(count: int) -> None:
        nonlocal done
        done += count
        progress("measuring", done, total)

    for unit, (columns, problems) in results(work, parts, where, tick=tick):
        store.add_columns(unit, columns, {"problems": problems})


def _numbers(store: Store, images: EvaluationSet) -> Columns:
    """All that is stored, in one file too."""
    store.begin()
    columns = store.write_columns(_NUMBERS)
    if not columns:
        raise DataError(f"no image of {images.description} could be used")
    return columns


def _problems(store: Store) -> Iterator[ImageProblem]:
    """What went wrong in all batches, in their order."""
    by_unit = {entry["unit"]: entry["problems"] for entry in store.entries()}
    for unit in sorted(by_unit):
        yield from (ImageProblem(*map(str, told)) for told in by_unit[unit])
