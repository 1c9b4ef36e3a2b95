"""Do the maps stay on the object when the picture is attacked? Predicted and true class, boxes at frozen thresholds."""

__all__ = ["RobustnessOptions", "study_robustness"]

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from figureground.capture import LayerChoice
from figureground.methods import Explainer
from figureground.metrics.robustness.attacks import Attack
from figureground.metrics.robustness.stability import map_stability, relative_perturbation
from figureground.models import Classifier
from figureground.studies.evaluation.attack_cases import AttackCase, attack_cases
from figureground.studies.evaluation.batch_job import Measured, on_device
from figureground.studies.evaluation.items import SetProblem
from figureground.studies.evaluation.map_places import PlaceRule, map_places
from figureground.studies.evaluation.measure_record import Curves, MeasureRecord
from figureground.studies.evaluation.robustness_tables import AttackTables
from figureground.studies.evaluation.scored import scored
from figureground.studies.evaluation.sets import EvaluationBatch, EvaluationSet
from figureground.studies.evaluation.sources import ExplainerMaps, MethodSpecs
from figureground.studies.evaluation.study_run import Table, run_study
from figureground.studies.progress import Watch, unwatched

_SEED_STEP = 1_000_003
_NOTES = (
    "white-box attacks on this very network: FGSM and PGD lead away from the true class, DeepFool from the prediction",
    "a class-specific map should move when the prediction does; the true class shows what befell the features alone",
)


@dataclass(frozen=True)
class RobustnessOptions:
    """What is attacked, how, and what is looked at.

    Args:
        methods: Names or configured methods, or row -> configured method.
        attacks: Names, with strengths of their own as in ``fgsm:0.05``; ready cases; or pairs of a name and
            any callable ``(score, images, labels)`` -> images.
        strengths: For names without one: largest change of a pixel in [0, 1].
        places: How maps become boxes and points.
        validation_share: Share of the pictures that thresholds are chosen on; the others are reported.
        batch_size: Pictures at a time.
        seed: Of noise, of the validation part and of the resampling.
        overwrite: Measure again what an earlier run measured.
    """

    methods: MethodSpecs = ("grad-cam", "eigen-cam")
    attacks: tuple[str | AttackCase | tuple[str, Attack], ...] = ("fgsm", "deepfool")
    strengths: tuple[float, ...] = (8 / 255,)
    places: PlaceRule = field(default_factory=PlaceRule)
    validation_share: float = 0.2
    batch_size: int = 16
    seed: int = 0
    overwrite: bool = False


def study_robustness(
    classifier: Classifier,
    pictures: EvaluationSet,
    *,
    out: Path,
    options: RobustnessOptions | None = None,
    watch: Watch = unwatched,
) -> MeasureRecord:
    """Every method's maps of clean and attacked pictures, for the predicted and for the true class.

    Args:
        classifier: The model, on its device.
        pictures: The set; every picture needs a label, and those with boxes are localised.
        out: Gets ``per_image.npz`` and, last, ``record.json``; a run that was stopped goes on there.
        options: What to attack and measure.
        watch: Told of progress.

    Returns:
        The record.

    Raises:
        OptionError: A method or an attack does not exist.
        DataError: A picture has no label.
    """
    study = _Robustness(classifier.eval(), options or RobustnessOptions())
    return run_study(study, classifier, pictures, out=out, watch=watch)


class _Robustness:
    """The study of one classifier."""

    kind = "robustness"

    def __init__(self, classifier: Classifier, options: RobustnessOptions) -> None:
        self._options = options
        self._classifier = classifier
        self._explainer = Explainer(classifier)
        self._source = ExplainerMaps(
            classifier, options.methods, classes="both", explainer=self._explainer
        )
        self._cases = attack_cases(options.attacks, options.strengths)
        self._score = scored(classifier)
        self.batch_size, self.overwrite = options.batch_size, options.overwrite
        self.seeds: tuple[int, ...] = (options.seed,)

    @property
    def facts(self) -> dict[str, str]:
        """Methods with the class that they explain."""
        return self._source.facts

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """Of the explainer."""
        return self._explainer.layers

    @property
    def settings(self) -> dict[str, str]:
        """What changes the numbers of a picture."""
        return {
            "attacks": "; ".join(f"{case.name}: {_words(case)}" for case in self._cases),
            "maps": str(self._options.places),
            "thresholds": f"0, {self._options.places.step:g}, ... below 1",
            "seed": str(self._options.seed),
            "pictures at a time": str(self.batch_size),
        }

    def __call__(self, batch: EvaluationBatch, number: int) -> Measured:
        """Places of the clean and the attacked maps, and what the attacks did."""
        here = on_device(batch, next(iter(self._classifier.buffers())).device)
        clean, predicted, problems = self._seen(here)
        columns: dict[str, np.ndarray] = {"clean/predicted": predicted}
        columns |= self._places("clean", clean, here)
        for case in self._cases:
            seed = _SEED_STEP * self._options.seed + number
            attacked = case.run(self._score, here.images, here.labels, seed=seed)
            maps, predicted, more = self._seen(replace(here, images=attacked.images))
            problems += more
            far = relative_perturbation(here.images, attacked.images)
            columns[f"{case.name}/predicted"] = predicted
            columns[f"{case.name}/perturbation"] = far.cpu().numpy()
            columns[f"{case.name}/iterations"] = attacked.iterations.cpu().numpy()
            columns |= self._places(case.name, maps, here)
            columns |= _likeness(case.name, clean, maps)
        return columns, problems

    def tables(self, table: Table) -> tuple[dict[str, Any], ...]:
        """Attacks, localisation by kind of picture, changes, thresholds, everything."""
        return self._tables(table).all()

    def curves(self, table: Table) -> tuple[Curves, ...]:
        """Localisation over the strength, for attacks that were run at several strengths."""
        tables = self._tables(table)
        families: dict[str, list[tuple[float, str]]] = {}
        for case in self._cases:
            name, _, strength = case.name.rpartition(" ")
            if name and _is_number(strength):
                families.setdefault(name, []).append((float(strength), case.name))
        test = ~tables.validation
        charts = []
        for name, members in families.items():
            points = [(0.0, "clean"), *sorted(members)]
            series = {
                row: [(x, float(np.nanmean(tables.hits(case, row)[test]))) for x, case in points]
                for row in tables.rows
                if not np.isnan(tables.hits("clean", row)[test]).all()
            }
            if len(members) > 1 and series:
                charts.append(Curves(name, "strength", "share with IoU ≥ 0.5", series))
        return tuple(charts)

    def notes(self, table: Table) -> tuple[str, ...]:
        """How to read the rows."""
        tables = self._tables(table)
        count = int(tables.validation.sum())
        rest = len(table["row"]) - count
        part = (
            f"thresholds were chosen on {count} clean pictures; all tables report the other {rest}"
        )
        return (part, *_NOTES)

    def _tables(self, table: Table) -> AttackTables:
        return AttackTables(
            table,
            self._source.rows,
            tuple(case.name for case in self._cases),
            self._options.places.thresholds,
            self._options.validation_share,
            self._options.seed,
        )

    def _seen(
        self, batch: EvaluationBatch
    ) -> tuple[Mapping[str, Tensor], np.ndarray, tuple[SetProblem, ...]]:
        """Maps of these pictures, their predicted classes, and problems."""
        found = self._source(batch)
        assert found.logits is not None  # noqa: S101 - a source of ours runs the model
        return found.maps, found.logits.argmax(1).cpu().numpy(), found.problems

    def _places(
        self, case: str, maps: Mapping[str, Tensor], batch: EvaluationBatch
    ) -> dict[str, np.ndarray]:
        """Where the maps of every row point."""
        size = (batch.images.shape[-2], batch.images.shape[-1])
        found = {
            row: map_places(stack, batch.boxes, size=size, rule=self._options.places)
            for row, stack in maps.items()
        }
        return {
            f"{case}/{row}/{key}": values
            for row, places in found.items()
            for key, values in vars(places).items()
        }


def _likeness(
    case: str, clean: Mapping[str, Tensor], attacked: Mapping[str, Tensor]
) -> dict[str, np.ndarray]:
    """How alike the raw maps are before and after."""
    found = {row: map_stability(clean[row], attacked[row]) for row in clean}
    return {
        f"{case}/{row}/{key}": getattr(stability, key).cpu().numpy()
        for row, stability in found.items()
        for key in ("pearson", "ssim")
    }


def _words(case: AttackCase) -> str:
    """What an attack is, without addresses in memory."""
    function = getattr(case.attack, "func", case.attack)
    given = getattr(case.attack, "keywords", {})
    clip = {} if case.clip is None else {"clip": case.clip}
    return f"{getattr(function, '__name__', type(function).__name__)} {dict(given) | clip}"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
