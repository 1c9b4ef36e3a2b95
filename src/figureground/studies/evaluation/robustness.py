"""Do the maps stay on the object when the image is attacked? Predicted and true class, boxes at frozen thresholds."""

__all__ = ["Robustness"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from figureground.base.options import option
from figureground.metrics.robustness.attack_cases import AttackCase, Attacked, attack_cases
from figureground.metrics.robustness.attacks import Attack
from figureground.metrics.robustness.stability import relative_perturbation
from figureground.studies.answers import Answer, row_name
from figureground.studies.evaluation.attacked import kept_under, lost_under, similarity
from figureground.studies.evaluation.boxes import (
    KNOWN,
    BoxEvaluation,
    Splits,
    frozen_positions,
)
from figureground.studies.evaluation.engine import Columns, Found, Measured
from figureground.studies.evaluation.image_set import EvaluationBatch
from figureground.studies.evaluation.shown_images import draw_against
from figureground.studies.evaluation.subject import MapBatch, Subject
from figureground.studies.evaluation.tables import (
    Case,
    Chart,
    ImageProblem,
    interval_cells,
    known_mean,
    mean_of,
    table,
)

_SUBSETS = ("all", "misclassified clean", "flipped by the attack")
_LOCALISED = "per cent with IoU ≥ 0.5 at the threshold chosen on clean maps of the validation images and frozen."
_NOTES = (
    "white-box attacks on this very network: FGSM and PGD lead away from the true class, DeepFool from the prediction",
    "a class-specific map should move when the prediction does; the true class shows what befell the features alone",
)
_PLACES = (("pointing", "pointing"), ("energy", "energy in the box"))
_SIMILARITY = (("pearson", "Pearson"), ("ssim", "SSIM"))


@dataclass(frozen=True, kw_only=True)
class Robustness(BoxEvaluation):
    """Maps of attacked images: boxes at frozen thresholds, pointing, similarity, for predicted and true class.

    Args:
        attack: Names, with strengths of their own as in ``fgsm:0.05``; ready cases; or pairs of a name and any callable
            ``(score, images, labels)`` -> images.
        strength: For names without one: largest change of a pixel in [0, 1].
    """

    kind: ClassVar[str] = "robustness"
    question: ClassVar[str] = "Do the maps stay when the image is attacked?"
    needs_multi: ClassVar[bool] = False
    classes: ClassVar[str] = "both"

    attack: tuple[str | AttackCase | tuple[str, Attack], ...] = option(
        ("fgsm", "deepfool"),
        "fgsm, pgd, deepfool, deepfool-lts4, uniform, gaussian; a strength of its own as in fgsm:0.05.",
    )
    strength: tuple[float, ...] = option(
        (8 / 255,),
        "Largest change of a pixel in [0, 1], for attacks without their own. Default: 8/255.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.attacks  # noqa: B018 - checks the names

    @cached_property
    def attacks(self) -> list[AttackCase]:
        """The attacks at their strengths."""
        return attack_cases(self.attack, self.strength)

    @property
    def description(self) -> dict[str, str]:
        """The options, with the attacks in full."""
        return super().description | {"attack": "; ".join(map(str, self.attacks))}

    def measure(self, batch: EvaluationBatch, network: Subject) -> Measured:
        """Places of the clean and the attacked maps, and what the attacks did."""
        clean, predicted, problems = _seen(batch, network)
        columns: dict[str, np.ndarray] = {
            "judged": np.array([len(boxes) > 0 for boxes in batch.boxes]),
            "clean/predicted": predicted,
        } | self._places_of("clean", clean, batch)
        for case in self.attacks:
            attacked = self._attacked(case, batch, network)
            found, predicted, more = _seen(replace(batch, images=attacked.images), network)
            problems += more
            columns[f"{case.name}/predicted"] = predicted
            columns[f"{case.name}/perturbation"] = (
                relative_perturbation(batch.images, attacked.images).cpu().numpy()
            )
            columns[f"{case.name}/iterations"] = attacked.iterations.cpu().numpy()
            columns |= self._places_of(case.name, found, batch)
            columns |= similarity(case.name, clean, found)
        return columns, problems

    def record_parts(self, found: Found) -> dict[str, Any]:
        """Attacks, localisation by kind of image, changes, thresholds, everything."""
        told = _Tables(self, found.columns, found.network.rows)
        count = len(told.splits.validation)
        return {
            "answer": told.answer(),
            "tables": told.all(),
            "charts": tuple(told.charts()),
            "cases": self._pictures(found, told),
            "notes": (
                f"thresholds were chosen on {count} clean images; all tables report the other {told.reported.sum()}",
                *_NOTES,
            ),
        }

    def _attacked(self, case: AttackCase, batch: EvaluationBatch, network: Subject) -> Attacked:
        """The images of a batch as an attack leaves them."""
        classifier = network.classifier
        assert classifier is not None  # noqa: S101 - the command asks for a model

        def score(images: Tensor) -> Tensor:
            return classifier(images.contiguous(memory_format=torch.channels_last)).float()

        return case.run(score, batch.images, batch.labels, seed=self.random_seed(batch))

    def _pictures(self, found: Found, told: "_Tables") -> tuple[Case, ...]:
        """Where the map of each row moves most and least under the attack of the answer, before and after it."""
        case = next(one for one in self.attacks if one.name == told.strongest)
        network, columns = found.network, found.columns
        moved = {row: columns[f"{case.name}/{row}/pearson"] for row in network.own_rows}
        own = {row: np.where(told.reported, one, np.nan) for row, one in moved.items()}

        def changed(batch: EvaluationBatch) -> EvaluationBatch:
            there = batch.on(network.device)
            return replace(there, images=self._attacked(case, there, network).images)

        return draw_against(
            network,
            found.images,
            columns["row"].tolist(),
            own=own,
            measure=f"clean and attacked{' by another draw' * case.random}, correlation",
            signed=self.signed,
            changed=changed,
        )

    def _places_of(
        self, case: str, found: MapBatch, batch: EvaluationBatch
    ) -> dict[str, np.ndarray]:
        """Where the maps of every row point; not defined where an image has no box."""
        size = (int(batch.images.shape[2]), int(batch.images.shape[3]))
        keep = [at for at, boxes in enumerate(batch.boxes) if len(boxes)]
        columns = {}
        for row, maps in found.maps.items():
            boxes, cut = ([some[at] for at in keep] for some in (batch.boxes, batch.whole_boxes))
            places = self.places(maps[keep], boxes, size, whole=cut)
            for key in ("hits", "pointing", "energy"):
                values = places[key]
                empty = np.nan if values.dtype == np.float32 else 0
                whole = np.full((len(batch), *values.shape[1:]), empty, values.dtype)
                whole[keep] = values
                columns[f"{case}/{row}/{key}"] = whole
        return columns


@dataclass(frozen=True)
class _Tables:
    """The tables of a finished evaluation."""

    options: Robustness
    columns: Columns
    rows: Sequence[str]

    @cached_property
    def splits(self) -> Splits:
        """Images with boxes: those on which thresholds are chosen, and the others."""
        if self.columns["judged"].sum() < 2:  # nothing to choose thresholds on
            return Splits(np.zeros(0, np.int64), np.arange(len(self.columns["row"])))
        return self.options.splits(self.columns)

    @cached_property
    def reported(self) -> Bool[np.ndarray, " N"]:
        """Images of the tables: all but those on which thresholds are chosen, and other entries of these images."""
        names = self.columns["name"]
        return ~np.isin(names, names[self.splits.validation])

    @cached_property
    def cases(self) -> tuple[str, ...]:
        """Clean images first, then the attacks."""
        return ("clean", *(case.name for case in self.options.attacks))

    @cached_property
    def strongest(self) -> str:
        """The attack that changes most predictions."""
        clean, some = self.columns["clean/predicted"], self.reported
        return max(
            self.cases[1:], key=lambda one: (clean != self.columns[f"{one}/predicted"])[some].mean()
        )

    @cached_property
    def frozen(self) -> dict[str, int]:
        """Row -> position of the threshold that suits its clean maps of the validation images."""
        rows = self.rows if len(self.splits.validation) else ()
        hits = {row: self._hits("clean", row)[self.splits.validation][:, None] for row in rows}
        return {row: frozen_positions(one, self.options.shares)[0] for row, one in hits.items()}

    def hits(self, case: str, row: str) -> Float[np.ndarray, " N"]:
        """100 where the box at the frozen threshold overlaps a true one by half or more, else 0; NaN without a box."""
        if row not in self.frozen:
            return np.full(len(self.columns["row"]), np.nan)
        found = 100.0 * self._hits(case, row)[:, self.frozen[row]]
        return np.where(self.columns["judged"].astype(bool), found, np.nan)

    def subset(self, case: str, name: str) -> Bool[np.ndarray, " N"]:
        """Which reported images are of this kind."""
        clean, after = self.columns["clean/predicted"], self.columns[f"{case}/predicted"]
        chosen = {
            "all": np.ones(len(clean), dtype=bool),
            "misclassified clean": clean != self.columns["label"],
            "flipped by the attack": clean != after,
        }
        return chosen[name] & self.reported

    def all(self) -> tuple[dict[str, Any], ...]:
        """Every table."""
        narrow = [self._localisation(name) for name in _SUBSETS[1:]]
        return (self._attacks(), *narrow, self._changes(), self._thresholds(), self._everything())

    def answer(self) -> Answer:
        """Every row under the attack that changes most predictions, against the same row on clean images."""
        case, some = self.strongest, self.reported
        names = {row: row_name(row) for row in self.rows}
        pairs = {
            row: (self.hits(case, row)[some] / 100, self.hits("clean", row)[some] / 100)
            for row in names
        }
        seed = self.options.seed
        if any(not np.isnan(after).all() for after, _ in pairs.values()):
            return lost_under(case, pairs, names, seed=seed)
        alike = {row: self.columns[f"{case}/{row}/pearson"][some] for row in names}
        return kept_under(case, alike, names, seed=seed)

    def charts(self) -> Iterator[Chart]:
        """Localisation over the strength, for attacks that were run at several strengths."""
        families: dict[str, list[tuple[float, str]]] = {}
        for case in self.cases[1:]:
            name, _, strength = case.rpartition(" ")
            if name and strength.replace(".", "", 1).isdecimal():
                families.setdefault(name, []).append((float(strength), case))
        for name, members in families.items():
            points = [(0.0, "clean"), *sorted(members)]
            series = {
                row: [
                    (x, known_mean(self.hits(case, row)[self.reported], 6) or 0.0)
                    for x, case in points
                ]
                for row in self.rows
            }
            if len(members) > 1:
                yield Chart(name, "strength", "images with IoU ≥ 0.5, %", series)

    def _hits(self, case: str, row: str) -> np.ndarray:
        """Whether the overlap is half or more, (N, T)."""
        return self.options.hits(self.columns, f"{case}/{row}")[:, KNOWN]

    def _attacks(self) -> dict[str, Any]:
        """What each attack did to the predictions, the pixels and the boxes of all images."""
        lines = [
            [case, *self._outcome(case), *self._shares(case, self.reported)] for case in self.cases
        ]
        columns = ["attack", "images", "accuracy", "flipped", "ρ", "iterations", *self.rows]
        caption = (
            "Accuracy, flipped (changed predictions): per cent. ρ: mean length of the change over the image's. "
            f"Under each method, of all images: {_LOCALISED}"
        )
        return table("Attacks and localisation", columns, lines, caption=caption)

    def _localisation(self, subset: str) -> dict[str, Any]:
        """Attacks × methods: share of images whose box is right, for one kind of image."""
        found = {case: self.subset(case, subset) for case in self.cases}
        lines = [
            [case, int(some.sum()), *self._shares(case, some)]
            for case, some in found.items()
            if some.any()
        ]
        caption = _LOCALISED[0].upper() + _LOCALISED[1:]
        return table(
            f"Localisation, {subset}", ["attack", "images", *self.rows], lines, caption=caption
        )

    def _changes(self) -> dict[str, Any]:
        """How much localisation changes from the clean to the attacked image, pair by pair."""
        lines = []
        for case in self.cases[1:]:
            for name in ("all", "flipped by the attack"):
                some = self.subset(case, name)
                for row in self.rows:
                    change = self.hits(case, row)[some] - self.hits("clean", row)[some]
                    lines.append([case, name, row, *self._interval(change)])
        columns = ["attack", "subset", "method", "change", "low", "high", "images"]
        caption = "Localisation on the attacked less that on the clean image, points, 95 % bootstrap of the pairs."
        return table("Change of localisation", columns, lines, caption=caption)

    def _thresholds(self) -> dict[str, Any]:
        """The frozen thresholds, and what the best one on the test images would have given."""
        lines = []
        for row, at in self.frozen.items():
            hits, splits = self._hits("clean", row), self.splits
            chosen = [self.options.shares[at], 100 * hits[splits.validation][:, at].mean()]
            oracle = 100 * hits[splits.test].mean(0).max()
            cells = [*chosen, known_mean(self.hits("clean", row)[self.reported]), oracle]
            lines.append(
                [row, *(None if cell is None else round(float(cell), 4) for cell in cells)]
            )
        columns = ["method", "threshold", "validation", "test, frozen", "test, oracle"]
        caption = (
            f"%, chosen on {len(self.splits.validation)} clean images. Oracle: the threshold that is best on the "
            "test images themselves, which no user can know."
        )
        return table("Thresholds", columns, lines, caption=caption)

    def _everything(self) -> dict[str, Any]:
        """Localisation with interval, pointing, energy and similarity of the maps: one line each."""
        lines = []
        for case in self.cases:
            for name in _SUBSETS:
                some = self.subset(case, name)
                if some.any():
                    lines += [[case, name, row, *self._cells(case, row, some)] for row in self.rows]
        columns = ["attack", "subset", "method", "localisation", "low", "high", "images"]
        columns += [title for _, title in (*_PLACES, *_SIMILARITY)]
        caption = (
            "Per cent, but Pearson and SSIM, which compare clean and attacked maps; 1 is unmoved."
        )
        return table("Robustness", columns, lines, caption=caption)

    def _outcome(self, case: str) -> list[object]:
        """Images, accuracy, share flipped, size of the change and iterations of one attack."""
        some = self.reported
        clean, label, after = (
            self.columns[key][some] for key in ("clean/predicted", "label", f"{case}/predicted")
        )
        first = [len(label), known_mean(100 * (after == label))]
        if case == "clean":
            return [*first, None, None, None]
        far, steps = (self.columns[f"{case}/{key}"][some] for key in ("perturbation", "iterations"))
        counted = known_mean(steps) if (steps >= 0).all() else None
        return [*first, known_mean(100 * (after != clean)), known_mean(far), counted]

    def _shares(self, case: str, some: np.ndarray) -> list[object]:
        """Localisation of every method on some images."""
        return [known_mean(self.hits(case, row)[some]) for row in self.rows]

    def _cells(self, case: str, row: str, some: np.ndarray) -> list[object]:
        """Localisation, pointing, energy and similarity on some images."""
        keys = [key for key, _ in (*_PLACES, *_SIMILARITY)]
        stored = [self.columns.get(f"{case}/{row}/{key}") for key in keys]
        means = [
            None if one is None else known_mean((100 if key in dict(_PLACES) else 1) * one[some])
            for key, one in zip(keys, stored, strict=True)
        ]
        return [*self._interval(self.hits(case, row)[some]), *means]

    def _interval(self, values: np.ndarray) -> list[object]:
        return interval_cells(mean_of(values, seed=self.options.seed))[:4]


def _seen(
    batch: EvaluationBatch, network: Subject
) -> tuple[MapBatch, np.ndarray, list[ImageProblem]]:
    """Maps of these images, their predicted classes, and problems."""
    found = network(batch)
    assert found.logits is not None  # noqa: S101 - the command asks for a model
    return found, found.logits.argmax(1).cpu().numpy(), list(found.problems)
