"""Does a classifier bring the rare images to the top? Average precision and its relatives, beside chance."""

__all__ = ["Ranking"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from figureground.base.errors import DataError, OptionError
from figureground.base.options import option
from figureground.metrics.classification import (
    average_precision,
    class_scores,
    expected_random_ap,
    macro_f1,
    mean_average_precision_interval,
    precision_at_k,
    recall_at_k,
)
from figureground.models import Classifier
from figureground.studies.answers import ranked
from figureground.studies.evaluation.engine import BATCH_SIZE, Evaluation, Found, Measured
from figureground.studies.evaluation.image_set import EvaluationBatch, without_class
from figureground.studies.evaluation.shown_images import extremes
from figureground.studies.evaluation.tables import Case, table

_SHOWN_CLASSES = 3


@dataclass(frozen=True, kw_only=True)
class Ranking(Evaluation):
    """Average precision by probability and by logit, beside chance; recall and precision at k; macro-F1.

    The last output of the model is its background class; all images of no other class count as background.

    Args:
        at: k of recall and precision at k.
    """

    kind: ClassVar[str] = "ranking"
    question: ClassVar[str] = "Do the rare images come to the top?"

    batch_size: int = option(256, BATCH_SIZE, least=1, panel="Speed")
    at: tuple[int, ...] = option(
        (10, 100, 1000), "k of recall and precision at k, comma-separated.", least=1
    )

    def subject(self, classifier: Classifier | None) -> None:
        """Only predictions are measured."""
        if (
            classifier is None
            or not classifier.class_names
            or classifier.class_names[-1] != "background"
        ):
            raise OptionError(
                "ranking needs a model with a background output, such as a run with data.rare"
            )

    def measure(self, batch: EvaluationBatch, network: Classifier) -> Measured:
        """Logits."""
        with torch.inference_mode():
            return {"logits": network(batch.images).float().cpu().numpy()}, without_class(batch)

    def record_parts(self, found: Found) -> dict[str, Any]:
        """Classes, and means over them."""
        columns, network = found.columns, found.network
        known = columns["label"] >= 0
        logits, labels = (torch.from_numpy(columns[key][known]) for key in ("logits", "label"))
        names = (network.class_names or ())[:-1]
        if not (labels < len(names)).any():
            raise DataError(f"no image is of a rare class ({', '.join(names)})")
        lines = [
            _of_class(logits, labels, number, name=name, at=self.at)
            for number, name in enumerate(names)
        ]
        chances = [line[2] for line in lines if line[2] is not None]
        overall: list[list[object]] = []
        by = {
            title: mean_average_precision_interval(logits, labels, classes=len(names), score=score)
            for title, score in (("probability", "softmax"), ("logit", "logit"))
        }
        for title, ap in by.items():
            cells = [round(one, 4) for one in (ap.mean, ap.low, ap.high)]
            overall.append([f"mean average precision by {title}", *cells])
        chance = round(sum(chances) / len(chances), 4)
        overall.append(["chance, mean over classes", chance, None, None])
        macro = macro_f1(logits.argmax(1), labels, classes=len(names)).item()
        overall.append(["macro-F1 of the rare classes", round(macro, 4), None, None])
        background = int((labels == len(names)).sum())
        at = [f"{what} at {k}" for k in self.at for what in ("recall", "precision")]
        return {
            "answer": ranked(by["probability"], chance, positives=len(labels) - background),
            "images": len(labels),
            "tables": (
                table("Ranking", ["quantity", "value", "low", "high"], overall, caption="95 % bootstrap over images."),
                table("By class", ["class", "positives", "chance AP", "AP", "AP by logit", *at], lines,
                      caption="AP, recall and precision by probability where not said otherwise."),
            ),
            "cases": _misplaced(found, known, names),
            "notes": (f"{background} of {len(labels)} images are background",),
        }  # fmt: skip


def _misplaced(found: Found, known: np.ndarray, names: Sequence[str]) -> tuple[Case, ...]:
    """Of the first rare classes: images of others that rank highest, and their own that rank lowest."""
    labels = found.columns["label"][known]
    shares = torch.from_numpy(found.columns["logits"][known]).softmax(1).numpy()
    values = {}
    for number, name in list(enumerate(names))[:_SHOWN_CLASSES]:
        sought = labels == number
        values[name, "high, though of another class"] = np.where(sought, np.nan, shares[:, number])
        values[name, "low, though it is one"] = np.where(sought, -shares[:, number], np.nan)
    return extremes(
        found.images,
        found.columns["row"][known].tolist(),
        values,
        labels=[names[one] if one < len(names) else "background" for one in labels.tolist()],
        measure="probability",
    )


def _of_class(
    logits: Tensor, labels: Tensor, number: int, *, name: str, at: Sequence[int]
) -> list[Any]:
    """What is known of one rare class."""
    positive, count = labels == number, int((labels == number).sum())
    by = {score: class_scores(logits, score)[:, number] for score in ("softmax", "logit")}
    chance = expected_random_ap(count, len(labels)) if count else None
    cells = [_number(average_precision(by[score], positive)) for score in ("softmax", "logit")]
    for k in at:
        cells += [
            _number(one(by["softmax"], positive, k=k)) for one in (recall_at_k, precision_at_k)
        ]
    return [name, count, chance, *cells]


def _number(value: Tensor) -> float | None:
    """None for NaN."""
    return None if value.isnan() else value.item()
