"""Known or unknown: how well each score of each arm tells."""

__all__ = ["ood_table"]

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from figureground.metrics.classification import auroc, fpr_at_tpr
from figureground.studies.comparison.answers import Answer, Answers, spread
from figureground.studies.comparison.arms import TrainedRun
from figureground.studies.comparison.over_seeds import RunValues
from figureground.studies.comparison.picture_sets import answered
from figureground.studies.comparison.unknown_sets import UnknownSet
from figureground.training.algorithms.background_class.scores import ood_score

_WITH_BACKGROUND = ("s1", "s2", "s3")
_ALWAYS = ("msp", "energy")
_CAPTION = (
    "Higher scores mean further out. AUROC: chance that an unknown picture scores above a known test picture; higher "
    "is better. FPR95: share of the unknown pictures that pass when 95 % of the known are kept, lower is better. Mean "
    "and sd over runs. s1, s2 and s3 need a background output; msp and energy are of the K known outputs."
)


def ood_table(
    answers: Answers,
    sets: Sequence[UnknownSet],
    *,
    batch_size: int,
    told: Callable[[TrainedRun], None] = lambda _: None,
    values: RunValues | None = None,
) -> dict[str, Any]:
    """AUROC and FPR95 of every score against every unknown set.

    Args:
        answers: Arm -> answers of its runs to the known pictures.
        sets: The unknown pictures.
        batch_size: Pictures at a time.
        told: Called after each run and set.
        values: Gets the AUROC and FPR95 of each run, by s2 or msp.

    Returns:
        A table as records hold it.
    """
    rows: list[list[object]] = []
    for unknown in sets:
        for arm, given in answers.items():
            outs = []
            for one in given:
                outs.append(_logits(one.run, unknown, batch_size))
                told(one.run)
            if values is not None:
                _keep(values, (unknown.name, arm), given=given, outs=outs)
            rows += [
                [unknown.name, arm, *_row(given, outs, score), len(outs[0])]
                for score in _scores(given)
            ]
    names = ["AUROC ↑", "AUROC sd", "FPR95 ↓", "FPR95 sd", "unknown pictures"]
    columns = ["unknown", "arm", "score", *names]
    return {"title": "Known or unknown", "caption": _CAPTION, "columns": columns, "rows": rows}


def _scores(given: Sequence[Answer]) -> tuple[str, ...]:
    """Those that every run of the arm has."""
    if all(one.run.has_background for one in given):
        return (*_WITH_BACKGROUND, *_ALWAYS)
    return _ALWAYS


def _logits(run: TrainedRun, unknown: UnknownSet, batch_size: int) -> Tensor:
    seen = unknown.of(run).view(run.classifier.preprocessing)
    return answered(run.classifier, seen.pixels, batch_size=batch_size)


def _keep(
    values: RunValues, named: tuple[str, str], *, given: Sequence[Answer], outs: Sequence[Tensor]
) -> None:
    """Run by run, the score that a reader would use."""
    name, arm = named
    for one, out in zip(given, outs, strict=True):
        score = "s2" if one.run.has_background else "msp"
        pair = [ood_score(part, one.run.num_classes, score) for part in (one.logits, out)]
        found = {"AUROC ↑": auroc(*pair), "FPR95 ↓": fpr_at_tpr(*pair, positive="in")}
        for measure, value in found.items():
            arms = values.setdefault(f"{name}: {measure}", {})
            arms.setdefault(arm, {})[one.run.seed] = float(value)


def _row(given: Sequence[Answer], outs: Sequence[Tensor], score: str) -> list[object]:
    """Name of the score, and its numbers over the runs."""
    pairs = [
        (
            ood_score(one.logits, one.run.num_classes, score),
            ood_score(out, one.run.num_classes, score),
        )
        for one, out in zip(given, outs, strict=True)
    ]
    areas = spread([float(auroc(known, unknown)) for known, unknown in pairs])
    passed = spread([float(fpr_at_tpr(*pair, positive="in")) for pair in pairs])
    cells = [None if value is None else round(value, 4) for value in (*areas, *passed)]
    return [score, *cells]
