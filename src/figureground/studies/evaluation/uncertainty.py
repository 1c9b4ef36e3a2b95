"""How sure is a map, and does it depend on what was learned? Spread, instability, contest, sanity checks."""

__all__ = ["UncertaintyOptions", "study_uncertainty"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import OptionError, unknown_option
from figureground.base.seeds import generator
from figureground.capture import LayerChoice
from figureground.methods import Explainer, find_methods
from figureground.metrics.uncertainty.views import same_view, standard_views
from figureground.models import Classifier
from figureground.studies.evaluation.batch_job import Measured, on_device
from figureground.studies.evaluation.changed_networks import dropout_copies, shuffled_copies
from figureground.studies.evaluation.measure_record import Curves, MeasureRecord
from figureground.studies.evaluation.sets import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.sources import MethodSpecs
from figureground.studies.evaluation.study_run import Table, run_study
from figureground.studies.evaluation.summaries import (
    Column,
    difference_table,
    interval_table,
    mean_table,
)
from figureground.studies.evaluation.uncertainty_measures import (
    AskedNetwork,
    Runs,
    contest_of,
    instability_of,
    likeness_of,
    spread_of,
)
from figureground.studies.progress import Watch, unwatched

_SEED_STEP = 1_000_003
_TOP = 3
_SPREAD = (
    Column("area", "area"),
    Column("entropy", "entropy"),
    Column("contested", "contested"),
    Column("instability views", "instability, views"),
    Column("instability dropout", "instability, dropout"),
    Column("instability seeds", "instability, seeds"),
)
_CAPTION = (
    "Of the predicted class. Area: share of the picture above half maximum. Entropy: 0 one point, 1 even. Contested: "
    "share claimed by two of the top three classes. Instability: deviation over mean of the maps of flips and crops, "
    "of dropout masks, of other training seeds. Definitions of ours; none has a good direction by itself."
)
_SANITY = (
    "Spearman correlation over positions with the map of the untouched network. High after the weights are gone means "
    "that the map shows the picture rather than what was learned; of another class, that it ignores the class."
)
_NOTE = "a class-free map cannot change when only the head is shuffled, nor with the class: 1 there is its definition"


_LACKING = {
    "instability dropout": "no instability under dropout: the network has none, or fewer than two runs were asked for",
    "instability seeds": "no instability over training seeds: no other network was given",
}


@dataclass(frozen=True)
class UncertaintyOptions:
    """What is measured.

    Args:
        methods: Names or configured methods, or row -> configured method.
        relu: Clamp maps at zero first.
        dropout_runs: Copies with dropout switched on, for networks that have some.
        siblings: The same network trained from other seeds.
        sanity: Shuffle the weights from the top, and look at another class.
        batch_size: Pictures at a time.
        reference: Every other row is compared with this one; the first one where None.
        seed: Of shuffling, masks, the other class, and the resampling.
        overwrite: Measure again what an earlier run measured.

    Raises:
        OptionError: A negative number of runs.
    """

    methods: MethodSpecs = ("grad-cam", "eigen-cam")
    relu: bool = True
    dropout_runs: int = 4
    siblings: Sequence[Classifier] = field(default=(), repr=False)
    sanity: bool = True
    batch_size: int = 8
    reference: str | None = None
    seed: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.dropout_runs < 0:
            raise OptionError(f"dropout_runs must not be negative, not {self.dropout_runs}")


def study_uncertainty(
    classifier: Classifier,
    pictures: EvaluationSet,
    *,
    out: Path,
    options: UncertaintyOptions | None = None,
    watch: Watch = unwatched,
) -> MeasureRecord:
    """Area, entropy, contest, instability and sanity checks of every method's maps of the predicted class.

    Args:
        classifier: The model, on its device.
        pictures: The set; labels and boxes are not needed.
        out: Gets ``per_image.npz`` and, last, ``record.json``; a run that was stopped goes on there.
        options: What to measure.
        watch: Told of progress.

    Returns:
        The record.

    Raises:
        OptionError: A method or the reference does not exist.
    """
    study = _Uncertainty(classifier.eval(), options or UncertaintyOptions())
    return run_study(study, classifier, pictures, out=out, watch=watch)


class _Uncertainty:
    """The study of one classifier."""

    kind = "uncertainty"

    def __init__(self, classifier: Classifier, options: UncertaintyOptions) -> None:
        self._options = options
        self._classifier = classifier
        given = options.methods
        self._methods = dict(given) if isinstance(given, Mapping) else find_methods(given)
        if any(method.name == "dff" for method in self._methods.values()):
            raise OptionError("dff makes a map per concept, not one that could be measured")
        self._network = AskedNetwork(Explainer(classifier), self._methods, options.relu)
        self.batch_size, self.overwrite = options.batch_size, options.overwrite
        self.seeds: tuple[int, ...] = (options.seed,)
        self.rows = tuple(self._methods)
        self._reference = options.reference or self.rows[0]
        if self._reference not in self.rows:
            raise unknown_option("row to compare with", self._reference, self.rows)

    @property
    def facts(self) -> dict[str, str]:
        """Methods with their options."""
        return {row: repr(method) for row, method in self._methods.items()}

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """Of the explainer."""
        return self._network.explainer.layers

    @property
    def settings(self) -> dict[str, str]:
        """What changes the numbers of a picture."""
        options = self._options
        siblings = [_sample(one) for one in options.siblings]
        return {
            "maps": f"{'clamped at 0, ' if options.relu else ''}bilinear to the picture, min-max",
            "views": ", ".join(view.name for view in standard_views()),
            "dropout runs": str(options.dropout_runs),
            "other seeds": f"{len(siblings)} networks {siblings}",
            "sanity checks": str(options.sanity),
            "seed": str(options.seed),
            "pictures at a time": str(self.batch_size),
        }

    def __call__(self, batch: EvaluationBatch, number: int) -> Measured:
        """Every number of every row."""
        here = on_device(batch, next(iter(self._classifier.buffers())).device)
        images, size = here.images, (here.images.shape[-2], here.images.shape[-1])
        classes = self._classes(images, number)
        maps = self._network.maps(images, classes)
        columns: dict[str, np.ndarray] = {"predicted": classes[:, 0].cpu().numpy()}
        for row, stack in maps.items():
            found = spread_of(stack[:, 0], size)
            found["contested"] = contest_of(stack[:, :-1])
            # a class-free map is the same for every class
            found["another class"] = likeness_of(stack[:, 0], stack[:, -1])
            columns |= {f"{row}/{key}": values for key, values in found.items()}
        for key, runs in self._runs.items():
            measured = self._unstable(runs, images, classes, size=size)
            columns |= {f"{row}/{key}": values for row, values in measured.items()}
        for key, network in self._shuffled.items():
            other = network.maps(images, classes[:, :1])
            columns |= {
                f"{row}/{key}": likeness_of(maps[row][:, 0], other[row][:, 0]) for row in maps
            }
        return columns, ()

    def tables(self, table: Table) -> tuple[dict[str, Any], ...]:
        """Spread and instability; sanity checks; intervals; differences."""
        read, seed = table.__getitem__, self._options.seed
        sanity = [Column("another class", "another class"), *map(_same_name, self._shuffled)]
        others = {row: self._reference for row in self.rows if row != self._reference}
        found = [mean_table(read, self.rows, _SPREAD, title="Uncertainty", caption=_CAPTION)]
        if self._options.sanity:
            title = "Sanity checks"
            found.append(mean_table(read, self.rows, sanity, title=title, caption=_SANITY))
        shown = [*_SPREAD, *(sanity if self._options.sanity else ())]
        return (
            *found,
            interval_table(read, self.rows, shown, title="Uncertainty: intervals", seed=seed),
            difference_table(read, others, _SPREAD, title="Uncertainty: differences", seed=seed),
        )

    def curves(self, table: Table) -> tuple[Curves, ...]:
        """Likeness over the number of shuffled layers."""
        if not self._shuffled:
            return ()
        series = {
            row: [
                (float(key.split()[1]), round(float(np.nanmean(table[f"{row}/{key}"])), 4))
                for key in self._shuffled
                if not np.isnan(table[f"{row}/{key}"]).all()
            ]
            for row in self.rows
        }
        shown = {row: points for row, points in series.items() if points}
        words = ("Parameter randomisation", "layers shuffled, from the top", "Spearman correlation")
        return (Curves(*words, shown, "a fall is good"),)

    def notes(self, table: Table) -> tuple[str, ...]:
        """How to read, and what could not be measured."""
        lacking = [words for key, words in _LACKING.items() if not self._runs[key]]
        lost = [
            row
            for row in self.rows
            if self._runs["instability dropout"]
            and np.isnan(table[f"{row}/instability dropout"]).all()
        ]
        masked = [f"with dropout in it the head is not of the kind that {', '.join(lost)} needs"]
        return (*lacking, *(masked if lost else ()), _NOTE)

    def _classes(self, images: Tensor, number: int) -> Tensor:
        """The three best classes and another one drawn at random, ``(N, 4)``, or fewer where there are fewer."""
        with torch.no_grad():
            logits = self._classifier(images)
        top = logits.topk(min(_TOP, logits.shape[1]), dim=1).indices
        draw = generator(_SEED_STEP * self._options.seed + number)
        step = torch.randint(1, logits.shape[1], (len(images), 1), generator=draw).to(top.device)
        return torch.cat([top, (top[:, :1] + step) % logits.shape[1]], 1)

    @cached_property
    def _runs(self) -> dict[str, Runs]:
        """What should agree: views of a picture, dropout masks, training seeds."""
        options, plain = self._options, same_view()
        masks = dropout_copies(self._classifier, runs=options.dropout_runs, seed=options.seed)
        seeds = [self._like(one) for one in options.siblings]
        return {
            "instability views": [(self._network, view) for view in standard_views()],
            "instability dropout": [(self._like(one), plain) for one in masks],
            "instability seeds": [(one, plain) for one in (self._network, *seeds)] if seeds else [],
        }

    @cached_property
    def _shuffled(self) -> dict[str, AskedNetwork]:
        """Copies that forgot; none where they are not asked for."""
        if not self._options.sanity:
            return {}
        copies = shuffled_copies(self._classifier, seed=self._options.seed)
        return {name: self._like(one) for name, one in copies.items()}

    def _like(self, other: Classifier) -> AskedNetwork:
        """Another network, looked at in the same layer."""
        layers = [choice.name for choice in self.layers]
        return AskedNetwork(Explainer(other, layer=layers), self._methods, self._options.relu)

    def _unstable(
        self, runs: Runs, images: Tensor, classes: Tensor, *, size: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """Instability of these runs; NaN where there are not two."""
        if len(runs) < 2:
            return {row: np.full(len(images), np.nan, np.float32) for row in self.rows}
        return instability_of(runs, images, classes[:, 0], size=size)


def _sample(classifier: Classifier) -> str:
    """Something that changes with the weights."""
    total = sum(float(value.double().sum()) for value in classifier.state_dict().values())
    return f"{total:.10g}"


def _same_name(name: str) -> Column:
    return Column(name, name)
