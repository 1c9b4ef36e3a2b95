"""Do the maps point at what the classifier uses? All measures, all methods, one set of images."""

__all__ = ["Faithfulness"]

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import OptionError
from figureground.base.options import option
from figureground.base.shapes import Images, Maps
from figureground.metrics.faithfulness.adcc import AdccScores, coherency, complexity
from figureground.metrics.faithfulness.arcc import arcc
from figureground.metrics.faithfulness.curves import area_under_curve, insertion_deletion
from figureground.metrics.faithfulness.drop import masked_confidence
from figureground.metrics.faithfulness.random_logit import random_logit
from figureground.metrics.faithfulness.random_removal import faithfulness_correlation, infidelity
from figureground.metrics.faithfulness.relevance import is_blank, on_pixels, soft_masks
from figureground.metrics.faithfulness.road import Removal, road
from figureground.metrics.faithfulness.scoring import Explain, Score, Scoring
from figureground.metrics.faithfulness.sparseness import sparseness
from figureground.metrics.faithfulness.sweep import Sweep
from figureground.metrics.localisation.baselines import centre_gaussian
from figureground.metrics.robustness.sensitivity import map_sensitivity
from figureground.studies.answers import Answer, Question, answer, contrasts, row_name
from figureground.studies.evaluation.engine import BATCH_SIZE, Found, MapEvaluation, Measured
from figureground.studies.evaluation.image_set import EvaluationBatch
from figureground.studies.evaluation.shown_images import draw_against
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.tables import Case, Chart, Measure, mean_curves, mean_table

_CHARTS = {
    "insertion curve": ("Insertion", "steep and high is good"),
    "deletion curve": ("Deletion", "steep and low is good"),
    "road most": ("ROAD, most relevant removed", "low is good"),
    "road least": ("ROAD, least relevant removed", "high is good"),
}
_QUESTION = Question(
    claim="shows what the model uses",
    measure="by ROAD",
    label="ROAD: half the gap in probability between removing the least and the most relevant first; 95 % intervals",
    unit="",
    digits=3,
    matters=0.02,
)
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_MOST_MAPS = 10  # of a map under noise, as captum has it
_SAMPLED = (
    "Means over images. Faithfulness correlation, infidelity: the map's sum over random pixels and squares beside the "
    "drop of the probability without them. Sensitivity: how far noise of 0.02 moves the map. Random logit: SSIM with "
    "the map of another class, 1 for a class-free map."
)
_ALIKE, _SIDE, _ROAD_TOLERANCE = 1e-4, 7, 1e-4


@dataclass(frozen=True, kw_only=True)
class Faithfulness(MapEvaluation):
    """Insertion, deletion, average drop, increase, ADCC, ARCC, ROAD, sparseness, with intervals and two baselines.

    Maps of folders have no coherency, ADCC, ARCC, sensitivity and random logit, which need the method itself.

    Args:
        classes: The class that is explained and whose probability is measured: ``predicted`` or ``true``.
        steps: Of the insertion and deletion curves. RISE takes one per image row (224).
        fractions: Fractions of the pixels that ROAD removes, each in both orders.
        samples: Changed images an image for faithfulness correlation and infidelity; sensitivity takes up to 10 of
            them, random logit one more map. 0 leaves all four out.
        precision: ``bf16`` or ``fp16`` for scoring changed images; maps are made in full precision.
    """

    kind: ClassVar[str] = "faithfulness"
    question: ClassVar[str] = "Do the maps show what the model uses?"
    baselines: ClassVar[tuple[str, ...]] = ("centre-gaussian", "random-map")
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure("insertion", "insertion ↑"),
        Measure("deletion", "deletion ↓"),
        Measure("average drop", "average drop ↓"),
        Measure("increase", "increase ↑"),
        Measure("coherency", "coherency ↑"),
        Measure("complexity", "complexity ↓"),
        Measure("adcc", "ADCC ↑"),
        Measure("road", "ROAD ↑"),
        Measure("arcc", "ARCC ↑"),
        Measure("sparseness", "sparseness ↑"),
    )
    sampled: ClassVar[tuple[Measure, ...]] = (
        Measure("correlation", "faithfulness correlation ↑"),
        Measure("infidelity", "infidelity ↓"),
        Measure("max-sensitivity", "max-sensitivity ↓"),
        Measure("average-sensitivity", "average-sensitivity ↓"),
        Measure("random logit", "random logit ↓"),
    )
    caption: ClassVar[str] = (
        "Means over images. Insertion, deletion, ROAD: probability of the class while pixels come and go by the order "
        "of the map (areas in [0, 1]; ROAD is half the gap between removing the least and the most relevant). Drop, "
        "increase: image times map. ADCC joins coherency, complexity and drop, ARCC has ROAD in the place of the drop. "
        "Sparseness: Gini index of the map."
    )

    batch_size: int = option(8, BATCH_SIZE, least=1, panel="Speed")
    classes: str = option(
        "predicted",
        "The class that is explained and whose probability is measured.",
        choices=("predicted", "true"),
    )
    steps: int = option(14, "Of insertion and deletion; RISE takes one per image row.", least=2)
    fractions: tuple[float, ...] = option(
        (0.1, 0.3, 0.5, 0.7, 0.9), "Fractions of the pixels that ROAD removes.", least=0, most=1
    )
    samples: int = option(
        0,
        "Changed images an image for faithfulness correlation and infidelity, with sensitivity and random logit beside "
        "them; the papers take about 100, and 0 leaves all out.",
        least=0,
    )
    precision: str | None = option(
        None, "bf16 or fp16 for scoring changed images.", choices=tuple(_TYPES)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples == 1:
            raise OptionError("samples must be 0 or at least 2, got 1: one has no correlation")

    def measure(self, batch: EvaluationBatch, network: Subject) -> Measured:
        """Every measure of every row; rows whose maps are the same are measured once."""
        classes = (
            batch.labels if self.classes == "true" else network.predictions(batch.images).argmax(1)
        )
        found = network(batch)
        maps = {
            row: self._ready(stack).to(batch.images.device) for row, stack in found.maps.items()
        }
        firsts = _same_maps(maps, batch.images)
        measured = {
            row: self._of_row(batch, network, maps[row], row=row, classes=classes)
            for row in dict.fromkeys(firsts.values())
        }
        if self.samples:
            for row in measured:
                measured[row] |= self._sampled(batch, network, maps[row], row=row, classes=classes)
        columns = {
            f"{row}/{key}": one
            for row, first in firsts.items()
            for key, one in measured[first].items()
        }
        names = {f"{row}/same as": np.array([first] * len(batch)) for row, first in firsts.items()}
        return columns | names, found.problems

    def answered(self, found: Found) -> Answer:
        """Every method by ROAD, which needs no method and rewards no map for its size, against the best baseline."""
        names = {row: row_name(row) for row in found.network.rows}
        told = contrasts(
            found.columns.__getitem__,
            {row: names[row] for row in found.network.own_rows},
            "road",
            baselines={row: names[row] for row in self.baselines},
            question=_QUESTION,
            seed=self.seed,
        )
        return answer(_QUESTION, told, names)

    def pictures(self, found: Found) -> tuple[Case, ...]:
        """Where ROAD of each different map lies lowest and highest above that of the best baseline."""
        columns, rows = found.columns, found.network.own_rows
        road = {row: columns[f"{row}/road"].astype(np.float64) for row in (*rows, *self.baselines)}
        best = max(self.baselines, key=lambda row: float(np.nan_to_num(road[row]).mean()))
        own = {row: road[row] for row in rows if columns[f"{row}/same as"][0] == row}
        return draw_against(
            found.network,
            found.images,
            columns["row"].tolist(),
            own=own,
            baseline=road[best],
            measure="ROAD",
            signed=self.signed,
        )

    def shown(self, _found: Found) -> Sequence[Measure]:
        """Measures whose intervals are shown."""
        return (*self.measures, *(self.sampled if self.samples else ()))

    def tables(self, found: Found) -> Iterator[dict[str, Any]]:
        """What is measured on samples of changed images, where it was asked for."""
        if self.samples:
            yield mean_table(
                found.columns.__getitem__,
                found.network.rows,
                self.sampled,
                title="Samples of changed images",
                caption=_SAMPLED,
            )

    def charts(self, found: Found) -> Iterator[Chart]:
        """Insertion, deletion and both orders of ROAD."""
        columns, network = found.columns, found.network
        pixels = math.prod(found.images.view_size)
        step = -(-pixels // self.steps)
        for key, (title, caption) in _CHARTS.items():
            points = columns[f"{network.rows[0]}/{key}"].shape[1]
            changed = (min(at * step, pixels) / pixels for at in range(points))
            x = self.fractions if key.startswith("road") else tuple(changed)
            series = mean_curves(columns.__getitem__, network.rows, key, x=x)
            yield Chart(title, "fraction of the pixels", "probability", series, caption)

    def notes(self, found: Found) -> Iterator[str]:
        """Rows that are one map, and how to read the baselines."""
        columns, network = found.columns, found.network
        firsts = {row: columns[f"{row}/same as"] for row in network.rows}
        same = [
            f"{row} = {one[0]}"
            for row, one in firsts.items()
            if one[0] != row and len(set(one)) == 1
        ]
        if same:
            yield f"the same maps up to scale, measured once: {', '.join(same)}"
        yield "no measure here is the truth: every way of removing pixels leaves images unlike any in training"
        yield (
            "coherency of centre-gaussian is 1 by construction, as it does not look at the image; its ADCC gains by it"
        )

    def baseline(self, name: str, batch: EvaluationBatch, offset: int = 0) -> Maps:
        """Maps that look at nothing; random ones differ by batch and, by the offset, for changed images."""
        if name == "centre-gaussian":
            return centre_gaussian(batch.images)
        drawn = torch.rand(len(batch), _SIDE, _SIDE, generator=self.generator(batch, offset))
        return drawn.to(batch.images.device)

    def _of_row(
        self, batch: EvaluationBatch, network: Subject, maps: Tensor, *, row: str, classes: Tensor
    ) -> dict[str, np.ndarray]:
        """Every measure of the maps of one row, ``(N,)`` each, and its curves."""
        images, score, scoring = batch.images, self._score(network), Scoring(batch_size=64)
        pixels = images.shape[-2] * images.shape[-1]
        sweep = Sweep(step_pixels=-(-pixels // self.steps))
        curves = insertion_deletion(
            score, images, maps, sweep=sweep, classes=classes, scoring=scoring
        )
        seen = masked_confidence(score, images, maps, classes=classes, scoring=scoring)
        removal = Removal(self.fractions, seed=self.seed, tolerance=_ROAD_TOLERANCE)
        removed = road(score, images, maps, removal=removal, classes=classes, scoring=scoring)
        explain = self._explain(row, batch, network)
        nothing = torch.full((len(images),), torch.nan, device=images.device)
        parts = AdccScores(
            nothing if explain is None else coherency(explain, images, maps, classes=classes),
            complexity(on_pixels(maps, images)).masked_fill(is_blank(maps), torch.nan),
            seen.drop,
        )
        found = {
            "insertion": area_under_curve(curves.insertion, curves.fractions),
            "deletion": area_under_curve(curves.deletion, curves.fractions),
            "average drop": seen.drop,
            "increase": seen.increase,
            "coherency": parts.coherency,
            "complexity": parts.complexity,
            "adcc": parts.adcc,
            "road": removed.combined,
            "arcc": arcc(parts.coherency, parts.complexity, removed.combined),
            "sparseness": sparseness(on_pixels(maps, images)).masked_fill(
                is_blank(maps), torch.nan
            ),
            "insertion curve": curves.insertion,
            "deletion curve": curves.deletion,
            "road most": removed.morf,
            "road least": removed.lerf,
        }
        return {key: values.float().cpu().numpy() for key, values in found.items()}

    def _sampled(
        self, batch: EvaluationBatch, network: Subject, maps: Tensor, *, row: str, classes: Tensor
    ) -> dict[str, np.ndarray]:
        """What is measured on samples of changed images, ``(N,)`` each; NaN for what needs the method and has none."""
        images, score, explain = (
            batch.images,
            self._score(network),
            self._explain(row, batch, network),
        )
        options: dict[str, Any] = {"classes": classes, "samples": self.samples, "seed": self.seed}
        nothing = torch.full((len(images),), torch.nan)
        found = {
            "correlation": faithfulness_correlation(score, images, maps, **options),
            "infidelity": infidelity(score, images, maps, **options),
            **{one.key: nothing for one in self.sampled[2:]},
        }
        if explain is not None:
            options["samples"] = min(self.samples, _MOST_MAPS)
            moved = map_sensitivity(explain, images, maps, **options)
            count = network.predictions(images[:1]).shape[1]
            found |= {
                "max-sensitivity": moved.largest,
                "average-sensitivity": moved.average,
                "random logit": random_logit(
                    explain, images, maps, classes=classes, num_classes=count, seed=self.seed
                ),
            }
        return {key: values.float().cpu().numpy() for key, values in found.items()}

    def _score(self, network: Subject) -> Score:
        """Images -> float32 logits, computed in the precision asked for."""
        kind, classifier = _TYPES.get(self.precision or ""), network.classifier
        assert classifier is not None  # noqa: S101 - the command asks for a model

        def score(images: Tensor) -> Tensor:
            given = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast(images.device.type, kind, enabled=kind is not None):
                return classifier(given).float()

        return score

    def _explain(self, row: str, batch: EvaluationBatch, network: Subject) -> Explain | None:
        """Makes maps of one row for changed images; None for maps from files."""
        if row in self.baselines:
            return lambda images, _: self.baseline(row, replace(batch, images=images), offset=1)
        if row not in network.methods:
            return None
        alone = network.only(row)
        return lambda images, classes: self._ready(alone.maps(images, classes[:, None])[row][:, 0])

    def _ready(self, maps: Tensor) -> Tensor:
        return maps if self.signed else maps.relu()


def _same_maps(maps: Mapping[str, Maps], images: Images) -> dict[str, str]:
    """Row -> the first row whose maps, min-max normalised at image size, differ by less than 1e-4 at every pixel.

    On a network with average pooling and a linear head, CAM, Grad-CAM, HiRes-CAM and others are one map; to measure it
    once saves half of the time.

    Returns:
        Each row, often with itself.
    """
    masks = {name: soft_masks(stack, images) for name, stack in maps.items()}
    blanks = {name: is_blank(stack).tolist() for name, stack in maps.items()}
    firsts: dict[str, str] = {}
    for name, mask in masks.items():
        equals = (
            other
            for other in dict.fromkeys(firsts.values())
            if blanks[other] == blanks[name] and float((masks[other] - mask).abs().amax()) < _ALIKE
        )
        firsts[name] = next(equals, name)
    return firsts
