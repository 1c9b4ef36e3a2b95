"""Who is right, and how well is each arm calibrated: tables over runs, differences over pictures, McNemar's test."""

__all__ = ["cost_table", "mcnemar_table", "quality_columns", "quality_tables", "quality_values"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch.nn.functional as F

from figureground.metrics.classification import accuracy, ece, nll
from figureground.metrics.intervals import mcnemar
from figureground.studies.comparison.answers import Answer, Answers, over_runs, spread
from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.over_seeds import RunValues

Table = dict[str, Any]

_QUALITY = (
    "Of the K known classes, the background output dropped before the softmax. Mean and standard deviation over the "
    "runs of an arm. NLL in nats, lower is better; ECE with 15 bins of equal width, lower is better."
)
_PAIRS = (
    "Exact two-sided test of pairs of runs: those of equal seed, or the only run of each arm. Only this or only the "
    "reference right: pictures on which the two disagree."
)
_COSTS = (
    "From the record of each run: means over runs. Pictures leave backgrounds out, seconds do not."
)


def quality_tables(answers: Answers) -> list[Table]:
    """Accuracy, errors, negative log-likelihood and calibration error by arm and by run.

    Args:
        answers: Arm -> answers of its runs.

    Returns:
        Two tables as records hold them.
    """
    by_arm: list[list[object]] = []
    by_run: list[list[object]] = []
    for arm, given in answers.items():
        numbers = [_numbers(one) for one in given]
        by_run += [
            [arm, str(one.run.folder), one.run.seed, *values]
            for one, values in zip(given, numbers, strict=True)
        ]
        spreads = [spread(column) for column in zip(*numbers, strict=True)]
        cells = [cell for pair in spreads for cell in _rounded(pair)]
        by_arm.append([arm, len(given), *cells])
    names = ["accuracy ↑", "errors ↓", "NLL ↓", "ECE ↓"]
    wide = [word for name in names for word in (name, f"{name[:-2]} sd")]
    return [
        {"title": "Accuracy and calibration", "caption": _QUALITY, "columns": ["arm", "runs", *wide], "rows": by_arm},
        {"title": "Every run", "caption": _QUALITY, "columns": ["arm", "run", "seed", *names], "rows": by_run},
    ]  # fmt: skip


def quality_columns(answers: Answers) -> dict[str, np.ndarray]:
    """Numbers per picture, averaged over the runs of an arm.

    Args:
        answers: Arm -> answers of its runs.

    Returns:
        ``arm/accuracy`` and ``arm/nll`` -> ``(N,)``.
    """
    found: dict[str, np.ndarray] = {}
    for arm, given in answers.items():
        right = over_runs([(one.key, one.right) for one in given])
        surprise = [
            (one.key, F.cross_entropy(one.known.double(), one.labels, reduction="none"))
            for one in given
        ]
        found |= {
            f"{arm}/accuracy": right.numpy(),
            f"{arm}/nll": over_runs(surprise).numpy(),
        }
    return found


def quality_values(answers: Answers) -> RunValues:
    """The same numbers run by run, for differences over seeds.

    Args:
        answers: Arm -> answers of its runs.

    Returns:
        Measure -> arm -> seed -> value.
    """
    found: RunValues = {}
    for arm, given in answers.items():
        for one in given:
            right, _, surprise, gap = _numbers(one)
            for name, value in (("accuracy ↑", right), ("NLL ↓", surprise), ("ECE ↓", gap)):
                found.setdefault(name, {}).setdefault(arm, {})[one.run.seed] = value
    return found


def mcnemar_table(answers: Answers, reference: str) -> Table:
    """McNemar's test of pairs of runs.

    Args:
        answers: Arm -> answers of its runs.
        reference: The arm that the others are compared with.

    Returns:
        A table as records hold it.
    """
    rows: list[list[object]] = []
    for arm, given in answers.items():
        for one, other in _pairs(given, answers[reference]) if arm != reference else ():
            found = mcnemar(one.right, other.right)
            seeds = [one.run.seed, other.run.seed]
            counts = [found.only_first, found.only_second]
            rows.append([arm, reference, *seeds, *counts, float(f"{found.p_value:.4g}")])
    names = ["arm", "reference", "seed", "its seed", "only this right", "only reference right", "p"]
    return {"title": "McNemar's test", "caption": _PAIRS, "columns": names, "rows": rows}


def cost_table(arms: Sequence[Arm]) -> Table:
    """What each arm cost to train.

    Args:
        arms: The arms.

    Returns:
        A table as records hold it.
    """
    rows: list[list[object]] = []
    for arm in arms:
        records = [run.record for run in arm.runs]
        means = [
            _mean(records, key) for key in ("parameters", "steps", "pictures", "seconds", "best")
        ]
        devices = ", ".join(sorted({str(record.get("device")) for record in records}))
        rows.append([arm.name, len(records), *means, devices])
    names = ["parameters", "steps", "pictures", "training seconds", "best validation accuracy"]
    columns = ["arm", "runs", *names, "device"]
    return {"title": "Cost of training", "caption": _COSTS, "columns": columns, "rows": rows}


def _numbers(one: Answer) -> tuple[float, int, float, float]:
    """Accuracy, errors, NLL and ECE of a run."""
    logits, labels = one.known, one.labels
    errors = int((~one.right).sum())
    values = [float(measure(logits, labels)) for measure in (accuracy, nll, ece)]
    right, surprise, gap = (round(value, 6) for value in values)
    return right, errors, surprise, gap


def _pairs(these: Sequence[Answer], those: Sequence[Answer]) -> list[tuple[Answer, Answer]]:
    """Runs of equal seed that were tested on the same pictures; the only ones of both arms in any case."""
    if len(these) == len(those) == 1:
        return [(these[0], those[0])]
    return [
        (one, other)
        for one in these
        for other in those
        if one.run.seed == other.run.seed and one.key == other.key
    ]


def _rounded(pair: tuple[float, float | None]) -> list[float | None]:
    return [None if value is None else round(value, 6) for value in pair]


def _mean(records: Sequence[Mapping[str, Any]], key: str) -> float | int | None:
    """Over the runs; a whole number where all agree on one."""
    values = [record.get(key) for record in records]
    numbers = [value for value in values if isinstance(value, int | float)]
    if not numbers or len(numbers) < len(values):
        return None
    if len(set(numbers)) == 1:
        return numbers[0]
    return round(spread(numbers)[0], 4)
