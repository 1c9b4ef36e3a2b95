"""Do the maps point at what the classifier uses? All measures, all methods, one set of pictures."""

__all__ = ["FaithfulnessOptions", "study_faithfulness"]

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import unknown_option
from figureground.base.seeds import generator
from figureground.base.shapes import Labels
from figureground.capture import LayerChoice, Precision
from figureground.methods import CamMethod, Explainer, find_methods
from figureground.metrics.faithfulness.scoring import Explain, Scoring
from figureground.metrics.localisation.baselines import centre_gaussian
from figureground.models import Classifier
from figureground.studies.evaluation.batch_job import Measured, on_device
from figureground.studies.evaluation.faithfulness_measures import (
    FAITHFULNESS_COLUMNS,
    Depth,
    alike_maps,
    faithfulness_of,
    random_maps,
)
from figureground.studies.evaluation.items import SetProblem
from figureground.studies.evaluation.measure_record import Curves, MeasureRecord, curves_of
from figureground.studies.evaluation.other_sources import FolderMaps
from figureground.studies.evaluation.scored import scored
from figureground.studies.evaluation.sets import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.sources import ExplainerMaps, MethodSpecs
from figureground.studies.evaluation.study_run import Table, run_study
from figureground.studies.evaluation.summaries import difference_table, interval_table, mean_table
from figureground.studies.progress import Watch, unwatched

_BASELINES = {
    "centre-gaussian": "baseline: a bell in the middle of the picture",
    "random": "baseline: uniform noise on a 7 x 7 grid",
}
_CLASSES = ("predicted", "true")
_SEED_STEP = 1_000_003
_CAPTION = (
    "Means over pictures. Insertion, deletion, ROAD: probability of the class while pixels come and go by the order of "
    "the map (areas in [0, 1]; ROAD is half the gap between removing the least and the most relevant). Drop, increase: "
    "picture times map. ADCC joins coherency, complexity and drop."
)
_NOTES = (
    "no measure here is the truth: every way of removing pixels leaves pictures that the network has never seen",
    "coherency of centre-gaussian is 1 by construction, as it does not look at the picture; its ADCC profits from that",
)
_CHARTS = {
    "insertion curve": ("Insertion", "steep and high is good"),
    "deletion curve": ("Deletion", "steep and low is good"),
    "road most": ("ROAD, most relevant removed", "low is good"),
    "road least": ("ROAD, least relevant removed", "high is good"),
}


@dataclass(frozen=True)
class FaithfulnessOptions:
    """What is measured and how finely.

    Args:
        methods: Names or configured methods, or row -> configured method.
        folders: Folders of ``.npy`` maps made by anybody; each is a row. Coherency and ADCC need the
            method itself and stay undefined.
        classes: The class that is explained and asked for: ``predicted`` or ``true``.
        depth: How finely pixels come and go.
        relu: Clamp maps at zero first: evidence against the class is no evidence for it.
        precision: ``bf16`` or ``fp16`` for scoring changed pictures; maps are made in full precision.
        batch_size: Pictures at a time.
        reference: Every other row is compared with this one, pair by pair; the first one where None.
        seed: Of the random maps and of the resampling.
        overwrite: Measure again what an earlier run measured.

    Raises:
        OptionError: Unknown classes.
    """

    methods: MethodSpecs = ("grad-cam",)
    folders: tuple[Path, ...] = ()
    classes: str = "predicted"
    depth: Depth = field(default_factory=Depth)
    relu: bool = True
    precision: Precision | None = None
    batch_size: int = 8
    reference: str | None = None
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.classes not in _CLASSES:
            raise unknown_option("class to explain", self.classes, _CLASSES)


def study_faithfulness(
    classifier: Classifier,
    pictures: EvaluationSet,
    *,
    out: Path,
    options: FaithfulnessOptions | None = None,
    watch: Watch = unwatched,
) -> MeasureRecord:
    """Insertion, deletion, average drop, increase, ADCC and ROAD of every method.

    Two rows know nothing of the network and say what a number is worth: ``centre-gaussian``, a bell in
    the middle, and ``random``, noise on a 7 x 7 grid.

    Args:
        classifier: The model, on its device.
        pictures: The set.
        out: Gets ``per_image.npz`` and, last, ``record.json``; a run that was stopped goes on there.
        options: What to measure.
        watch: Told of progress.

    Returns:
        The record.

    Raises:
        OptionError: A method or the reference does not exist.
    """
    study = _Faithfulness(classifier.eval(), options or FaithfulnessOptions())
    return run_study(study, classifier, pictures, out=out, watch=watch)


class _Faithfulness:
    """The study of one classifier."""

    kind = "faithfulness"

    def __init__(self, classifier: Classifier, options: FaithfulnessOptions) -> None:
        self._options = options
        self._methods = _named(options.methods)
        self._folders = [FolderMaps(folder) for folder in options.folders]
        self._explainer = Explainer(classifier)
        self._classifier = classifier
        self._score = scored(classifier, options.precision)
        self.batch_size, self.overwrite = options.batch_size, options.overwrite
        self.seeds: tuple[int, ...] = (options.seed, options.depth.seed)
        self.rows = tuple(self.facts)
        self._reference = options.reference or self.rows[0]
        if self._reference not in self.rows:
            raise unknown_option("row to compare with", self._reference, self.rows)

    @property
    def facts(self) -> dict[str, str]:
        """Methods, folders, baselines."""
        ours = {row: repr(method) for row, method in self._methods.items()}
        folders = {row: words for one in self._folders for row, words in one.facts.items()}
        return ours | folders | _BASELINES

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """Of the explainer."""
        return self._explainer.layers

    @property
    def settings(self) -> dict[str, str]:
        """What changes the numbers of a picture."""
        options = self._options
        return {
            "class explained and asked for": options.classes,
            "maps": f"{'clamped at 0, ' if options.relu else ''}bilinear to the picture, min-max",
            "depth": repr(options.depth),
            "precision of scoring": options.precision or "fp32",
            "seed": str(options.seed),
            "pictures at a time": str(options.batch_size),
        }

    def __call__(self, batch: EvaluationBatch, number: int) -> Measured:
        """Every measure of every row."""
        here = on_device(batch, next(iter(self._classifier.buffers())).device)
        classes = self._asked(here)
        maps, problems = self._maps(replace(here, labels=classes), number)
        firsts = alike_maps(maps, here.images)
        measured: dict[str, dict[str, np.ndarray]] = {}
        scoring = Scoring(batch_size=64)
        for row in dict.fromkeys(firsts.values()):
            measured[row] = faithfulness_of(
                self._score,
                here.images,
                maps[row],
                explain=self._explain(row, here, number),
                classes=classes,
                asking=(self._options.depth, scoring),
            )
        columns = {
            f"{row}/{key}": values
            for row, first in firsts.items()
            for key, values in measured[first].items()
        }
        names = {f"{row}/same as": np.array([firsts[row]] * len(batch)) for row in firsts}
        return columns | names, problems

    def tables(self, table: Table) -> tuple[dict[str, Any], ...]:
        """Means, intervals, differences."""
        read, seed = table.__getitem__, self._options.seed
        others = {row: self._reference for row in self.rows if row != self._reference}
        columns = FAITHFULNESS_COLUMNS
        return (
            mean_table(read, self.rows, columns, title="Faithfulness", caption=_CAPTION),
            interval_table(read, self.rows, columns, title="Faithfulness: intervals", seed=seed),
            difference_table(read, others, columns, title="Faithfulness: differences", seed=seed),
        )

    def curves(self, table: Table) -> tuple[Curves, ...]:
        """Insertion, deletion and both orders of ROAD."""
        fractions = self._options.depth.fractions
        charts = []
        for key, (title, caption) in _CHARTS.items():
            steps = table[f"{self.rows[0]}/{key}"].shape[1]
            x = fractions if key.startswith("road") else np.linspace(0, 1, steps).tolist()
            series = curves_of(table, self.rows, key, x=x)
            charts.append(Curves(title, "share of the pixels", "probability", series, caption))
        return tuple(charts)

    def notes(self, table: Table) -> tuple[str, ...]:
        """Rows that are one map, and how to read the baselines."""
        same = [
            f"{row} = {table[f'{row}/same as'][0]}"
            for row in self.rows
            if table[f"{row}/same as"][0] != row and len(set(table[f"{row}/same as"])) == 1
        ]
        alike = (f"the same maps up to scale, measured once: {', '.join(same)}",) if same else ()
        return (*alike, *_NOTES)

    def _asked(self, batch: EvaluationBatch) -> Labels:
        """The class that is explained and asked for."""
        if self._options.classes == "true":
            return batch.labels
        with torch.no_grad():
            return self._classifier(batch.images).argmax(1)

    def _maps(
        self, batch: EvaluationBatch, number: int
    ) -> tuple[dict[str, Tensor], tuple[SetProblem, ...]]:
        """Row -> maps ``(N, h, w)`` of the classes that stand for labels here."""
        source = ExplainerMaps(
            self._classifier, self._methods, classes="true", explainer=self._explainer
        )
        found = [source(batch), *(folder(batch) for folder in self._folders)]
        maps = {row: maps for one in found for row, maps in one.maps.items()}
        maps = {row: self._ready(stack) for row, stack in maps.items()}
        maps |= {row: self._baseline(row, batch, number) for row in _BASELINES}
        return maps, tuple(problem for one in found for problem in one.problems)

    def _explain(self, row: str, batch: EvaluationBatch, number: int) -> Explain | None:
        """Makes maps of one row for changed pictures; None for foreign maps."""
        if row in _BASELINES:
            return lambda images, _: self._baseline(row, replace(batch, images=images), number + 1)
        if row not in self._methods:
            return None
        source = ExplainerMaps(
            self._classifier, {row: self._methods[row]}, classes="true", explainer=self._explainer
        )
        return lambda images, classes: self._ready(
            source(replace(batch, images=images, labels=classes)).maps[row]
        )

    def _ready(self, maps: Tensor) -> Tensor:
        return maps.relu() if self._options.relu else maps

    def _baseline(self, row: str, batch: EvaluationBatch, number: int) -> Tensor:
        """Maps that look at nothing; random ones differ from call to call number."""
        if row == "centre-gaussian":
            return centre_gaussian(batch.images)
        return random_maps(batch.images, generator(_SEED_STEP * self._options.seed + number))


def _named(methods: MethodSpecs) -> dict[str, CamMethod]:
    """Row -> method."""
    return dict(methods) if isinstance(methods, Mapping) else find_methods(methods)
