"""Accuracy, calibration, unknown and corrupted images of every arm, as tables, and numbers per image and per run."""

__all__ = ["Findings", "corruption", "costs", "over_seeds", "quality", "unknown_images"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from figureground.base.errors import unknown_option
from figureground.data.splits import random_subset
from figureground.metrics.classification import accuracy, auroc, ece, fpr_at_tpr, nll, ood_score
from figureground.metrics.intervals import mcnemar, seeds_difference
from figureground.metrics.robustness.corruptions import (
    CORRUPTIONS,
    SEVERITIES,
    corrupt,
    corruption_strength,
)
from figureground.models.predicting import in_batches, predict
from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.held_out import HeldOut
from figureground.studies.comparison.predictions import Prediction, Predictions, over_runs, spread
from figureground.studies.comparison.unknown import UnknownSet
from figureground.studies.evaluation.tables import Chart, table
from figureground.studies.training.runs import TrainedRun

RunValues = dict[str, dict[str, dict[int, float]]]
"""Measure -> arm -> seed -> value."""

_SEED_STEP = 1_000_003  # a prime, so that batches of neighbouring seeds do not share their numbers
_QUALITY = (
    "Of the K known classes, the background output dropped before the softmax. Mean and standard deviation over the "
    "runs of an arm. NLL in nats, lower is better; ECE with 15 bins of equal width, lower is better."
)
_PAIRS = (
    "Exact two-sided test of pairs of runs: those of equal seed, or the only run of each arm. Only this or only the "
    "reference right: images on which the two disagree."
)
_UNKNOWN = (
    "Higher scores mean further out. AUROC: chance that an unknown image scores above a known test image; higher "
    "is better. FPR95: share of the unknown images that pass when 95 % of the known are kept, lower is better. Mean "
    "and sd over runs. Of networks with a background output, s1: its share beside all known classes together; s2: one "
    "minus the largest probability of a known class, the background in the softmax; s3: as s2, the probability of the "
    "background spread evenly over the known classes. Of the known outputs alone, msp: one minus the largest "
    "probability; energy: minus the logarithm of the sum of the exponentials of the logits."
)
_CORRUPTED = (
    "Accuracy over the K known classes under corruptions made of the test images, at five severities each. The first "
    "columns are means over the severities, 'mean' over all corruptions; means over runs, sd over runs. Strengths by "
    "severity: {}."
)
_SEEDS = (
    "Arm less reference, run by run of equal seed; mean and Student's 95 % interval over these pairs. Unknown sets: "
    "the arm's s2 where it has a background output, else its msp."
)
_COSTS = (
    "From the record of each run: means over runs. Images leave backgrounds out, seconds do not."
)


@dataclass
class Findings:
    """What was found so far.

    Args:
        tables: As records hold them.
        charts: Line charts.
        columns: ``arm/measure`` -> numbers per image, averaged over the runs of the arm.
        values: Measure -> arm -> seed -> number of that run.
    """

    tables: list[dict[str, Any]] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    values: RunValues = field(default_factory=dict)

    def note(self, measure: str, one: Prediction, *, arm: str, value: float) -> None:
        """Keep the number of one run."""
        self.values.setdefault(measure, {}).setdefault(arm, {})[one.run.seed] = value


def quality(found: Findings, predictions: Predictions) -> list[dict[str, Any]]:
    """Accuracy, errors, negative log-likelihood and calibration error by arm and by run.

    Args:
        found: Gets the tables, ``arm/accuracy`` and ``arm/nll`` of each image, and the numbers of each run.
        predictions: Arm -> predictions of its runs.

    Returns:
        McNemar's tests of the other arms against the first, to be shown after the differences.
    """
    by_arm: list[list[object]] = []
    by_run: list[list[object]] = []
    for arm, given in predictions.items():
        numbers = [_quality_of(one) for one in given]
        for one, (right, errors, surprise, gap) in zip(given, numbers, strict=True):
            by_run.append([arm, str(one.run.folder), one.run.seed, right, errors, surprise, gap])
            for name, value in (("accuracy ↑", right), ("NLL ↓", surprise), ("ECE ↓", gap)):
                found.note(name, one, arm=arm, value=value)
        spreads = [spread(column) for column in zip(*numbers, strict=True)]
        by_arm.append([arm, len(given), *(_rounded(cell, 6) for pair in spreads for cell in pair)])
        found.columns[f"{arm}/accuracy"] = over_runs(
            [(one.key, one.right) for one in given]
        ).numpy()
        losses = [
            (one.key, F.cross_entropy(one.known.double(), one.labels, reduction="none"))
            for one in given
        ]
        found.columns[f"{arm}/nll"] = over_runs(losses).numpy()
    names = ["accuracy ↑", "errors ↓", "NLL ↓", "ECE ↓"]
    wide = [word for name in names for word in (name, f"{name[:-2]} sd")]
    found.tables += [
        table("Accuracy and calibration", ["arm", "runs", *wide], by_arm, caption=_QUALITY),
        table("Every run", ["arm", "run", "seed", *names], by_run, caption=_QUALITY),
    ]
    return [_mcnemar_table(predictions)]


def unknown_images(
    found: Findings,
    predictions: Predictions,
    sets: Sequence[UnknownSet],
    *,
    batch_size: int,
    report: Callable[[TrainedRun], None] = lambda _: None,
) -> None:
    """AUROC and FPR95 of every score against every unknown set.

    Args:
        found: Gets the table, and AUROC and FPR95 of each run by s2 or msp.
        predictions: Arm -> predictions of its runs for the known images.
        sets: The unknown images.
        batch_size: Images at a time.
        report: Called after each run and set.
    """
    rows: list[list[object]] = []
    for unknown in sets:
        for arm, given in predictions.items():
            outs = []
            for one in given:
                seen = unknown.of(one.run).view(one.run.classifier.preprocessing)
                outs.append(predict(one.run.classifier, seen.pixels, batch_size=batch_size))
                report(one.run)
                score = "s2" if one.run.has_background else "msp"
                if one.run.has_background:
                    best = _separated(one, outs[-1], "s1")[0]
                    found.note(f"{unknown.name}: AUROC by s1 ↑", one, arm=arm, value=best)
                for name, value in zip(
                    ("AUROC ↑", "FPR95 ↓"), _separated(one, outs[-1], score), strict=True
                ):
                    found.note(f"{unknown.name}: {name}", one, arm=arm, value=value)
            own = ("s1", "s2", "s3") if all(one.run.has_background for one in given) else ()
            for score in (*own, "msp", "energy"):
                pairs = [_separated(one, out, score) for one, out in zip(given, outs, strict=True)]
                cells = [cell for column in zip(*pairs, strict=True) for cell in spread(column)]
                shown = [_rounded(cell, 4) for cell in cells]
                rows.append([unknown.name, arm, score, *shown, len(outs[0])])
    names = ["AUROC ↑", "AUROC sd", "FPR95 ↓", "FPR95 sd", "unknown images"]
    found.tables.append(
        table("Known or unknown", ["unknown", "arm", "score", *names], rows, caption=_UNKNOWN)
    )


def corruption(
    found: Findings,
    predictions: Predictions,
    images: HeldOut,
    *,
    names: Sequence[str],
    limit: int,
    batch_size: int,
    report: Callable[[TrainedRun], None] = lambda _: None,
) -> None:
    """Accuracy of every arm under every corruption, at five severities.

    All runs of one input size see the same corrupted images, noise included.

    Args:
        found: Gets the tables, the chart, ``arm/corrupted`` of each image and the mean accuracy of each run.
        predictions: Arm -> predictions of its runs for the images as they are.
        images: The test images.
        names: The corruptions.
        limit: So many images at most, drawn at random.
        batch_size: Images at a time.
        report: Called with every run that is done.

    Raises:
        OptionError: An unknown corruption.
    """  # noqa: DOC501 - unknown_option makes an OptionError
    for name in names:
        if name not in CORRUPTIONS:
            raise unknown_option("corruption", name, CORRUPTIONS)
    accuracies: dict[str, tuple[np.ndarray, float]] = {}
    for arm, given in predictions.items():
        hits, clean = [], []
        for one in given:
            rows = random_subset(len(one.labels), limit, seed=images.seed)
            hits.append(_hits(one, images, names, rows=rows, batch_size=batch_size))
            clean.append(float(one.right[rows].double().mean()))
            mean = float(hits[-1].mean(2).numpy().mean())
            found.note("corrupted accuracy ↑", one, arm=arm, value=mean)
            report(one.run)
        means = [(one.key, hit.mean((0, 1))) for one, hit in zip(given, hits, strict=True)]
        found.columns[f"{arm}/corrupted"] = over_runs(means).numpy()
        right = np.stack([one.mean(2).numpy() for one in hits])  # (runs, corruptions, severities)
        accuracies[arm] = right, float(np.mean(clean))
    counts = {arm: len(found.columns[f"{arm}/corrupted"]) for arm in accuracies}
    caption = _CORRUPTED.format(_strengths(predictions, names))
    found.tables += _corruption_tables(accuracies, counts, names, caption=caption)
    series = {
        arm: [
            (0.0, clean),
            *zip(map(float, SEVERITIES), right.mean((0, 1)).round(5).tolist(), strict=True),
        ]
        for arm, (right, clean) in accuracies.items()
    }
    words = ("Accuracy under corruption", "severity", "accuracy")
    found.charts.append(Chart(*words, series, "Mean over corruptions and runs; higher is better."))


def _corruption_tables(
    accuracies: Mapping[str, tuple[np.ndarray, float]],
    counts: Mapping[str, int],
    names: Sequence[str],
    *,
    caption: str,
) -> list[dict[str, Any]]:
    """By corruption and by severity."""
    by_kind: list[list[object]] = []
    by_severity: list[list[object]] = []
    for arm, (right, clean) in accuracies.items():
        cells = [_rounded(cell, 4) for cell in spread(right.mean((1, 2)).tolist())]
        kinds, levels = (right.mean(axes).round(4).tolist() for axes in ((0, 2), (0, 1)))
        by_kind.append([arm, counts[arm], round(clean, 4), *cells, *kinds])
        by_severity.append([arm, round(clean, 4), *levels])
    columns = ["arm", "images", "clean ↑", "mean ↑", "sd", *names]
    levels = ["arm", "clean", *(f"severity {severity}" for severity in SEVERITIES)]
    title, mean = "Corrupted images", "Mean over all corruptions and runs."
    return [
        table(title, columns, by_kind, caption=caption),
        table(f"{title} by severity", levels, by_severity, caption=mean),
    ]


def over_seeds(found: Findings, reference: str) -> None:
    """Paired differences over seeds: what another run of the same recipes would show.

    Args:
        found: Has the numbers of each run, and gets the table where an arm shares two seeds with the reference.
        reference: The arm that the others are compared with.
    """
    rows: list[list[object]] = []
    for measure, arms in found.values.items():
        own = arms.get(reference, {})
        for arm, values in arms.items():
            seeds = sorted(values.keys() & own.keys())
            if arm == reference or len(seeds) < 2:
                continue
            gap = seeds_difference(
                *(torch.tensor([one[seed] for seed in seeds]) for one in (values, own))
            )
            cells = [round(value, 4) for value in (gap.mean, gap.low, gap.high)]
            rows.append([arm, reference, measure, *cells, len(seeds), not gap.low <= 0 <= gap.high])
    if rows:
        columns = ["arm", "less", "measure", "difference", "low", "high", "seeds", "differs"]
        found.tables.append(table("Differences over seeds", columns, rows, caption=_SEEDS))


def costs(found: Findings, arms: Sequence[Arm]) -> None:
    """What each arm cost to train.

    Args:
        found: Gets the table, and the seconds of each run.
        arms: The arms.
    """
    rows: list[list[object]] = []
    for arm in arms:
        records = [run.record for run in arm.runs]
        seconds = {run.seed: run.record.get("seconds") for run in arm.runs}
        told = {
            seed: float(value) for seed, value in seconds.items() if isinstance(value, int | float)
        }
        found.values.setdefault("training seconds", {})[arm.name] = told
        means = [
            _mean(records, key) for key in ("parameters", "steps", "images", "seconds", "best")
        ]
        devices = ", ".join(sorted({str(record.get("device")) for record in records}))
        rows.append([arm.name, len(records), *means, devices])
    names = ["parameters", "steps", "images", "training seconds", "best validation accuracy"]
    found.tables.append(
        table("Cost of training", ["arm", "runs", *names, "device"], rows, caption=_COSTS)
    )


def _quality_of(one: Prediction) -> tuple[float, int, float, float]:
    """Accuracy, errors, NLL and ECE of a run."""
    values = [float(measure(one.known, one.labels)) for measure in (accuracy, nll, ece)]
    right, surprise, gap = (round(value, 6) for value in values)
    return right, int((~one.right).sum()), surprise, gap


def _mcnemar_table(predictions: Predictions) -> dict[str, Any]:
    """McNemar's test of runs of equal seed on the same images; of the only ones of both arms in any case."""
    reference, first = next(iter(predictions.items()))
    rows: list[list[object]] = []
    for arm, given in list(predictions.items())[1:]:
        alone = len(given) == len(first) == 1
        for one in given:
            for other in first:
                if alone or (one.run.seed, one.key) == (other.run.seed, other.key):
                    test = mcnemar(one.right, other.right)
                    cells = [one.run.seed, other.run.seed, test.only_first, test.only_second]
                    rows.append([arm, reference, *cells, float(f"{test.p_value:.4g}")])
    names = ["arm", "reference", "seed", "its seed", "only this right", "only reference right", "p"]
    return table("McNemar's test", names, rows, caption=_PAIRS)


def _separated(one: Prediction, unknown: Tensor, score: str) -> tuple[float, float]:
    """AUROC and FPR95 of a run."""
    inside, outside = (
        ood_score(logits, one.run.num_classes, score) for logits in (one.logits, unknown)
    )
    return float(auroc(inside, outside)), float(fpr_at_tpr(inside, outside, positive="in"))


def _hits(
    one: Prediction, images: HeldOut, names: Sequence[str], *, rows: Tensor, batch_size: int
) -> Tensor:
    """Who is right, ``(corruptions, severities, N)`` as 0 and 1."""
    run = one.run
    seen = images.of(run).view(run.classifier.preprocessing)
    pixels, labels = seen.pixels[rows], seen.labels[rows]
    found = torch.zeros(len(names), len(SEVERITIES), len(rows), dtype=torch.float64)
    for number, batch in enumerate(in_batches(pixels, batch_size)):
        some = slice(number * batch_size, number * batch_size + len(batch))
        for kind, level in np.ndindex(len(names), len(SEVERITIES)):
            seed = _SEED_STEP * images.seed + len(SEVERITIES) * number + level
            worse = corrupt(batch, names[kind], SEVERITIES[level], seed=seed)
            with torch.no_grad():
                logits = run.classifier(worse.to(run.device))[:, : run.num_classes]
            found[kind, level, some] = (logits.argmax(1).cpu() == labels[some]).double()
    return found


def _strengths(predictions: Predictions, names: Sequence[str]) -> str:
    """Strengths of all severities, by the shorter side of the images."""
    sides = {
        min(one.run.classifier.preprocessing.size)
        for given in predictions.values()
        for one in given
    }
    told = []
    for side in sorted(sides):
        each = [
            f"{name} "
            + "/".join(f"{corruption_strength(name, s, shorter_side=side):g}" for s in SEVERITIES)
            for name in names
        ]
        told.append(f"{', '.join(each)} (images of {side} pixels)")
    return "; ".join(told)


def _mean(records: Sequence[Mapping[str, Any]], key: str) -> float | int | None:
    """Over the runs; a whole number where all agree on one."""
    values = [record.get(key) for record in records]
    numbers = [value for value in values if isinstance(value, int | float)]
    if not numbers or len(numbers) < len(values):
        return None
    return numbers[0] if len(set(numbers)) == 1 else round(spread(numbers)[0], 4)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
