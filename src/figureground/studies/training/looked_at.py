"""What a trained network makes of its validation images: the answer, the classes, what it takes for what, the worst."""

__all__ = ["LookedAt", "look_at"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from figureground.base.shapes import Logits
from figureground.maps.image_files import thumbnail
from figureground.metrics.classification import expected_random_ap, mean_average_precision_interval
from figureground.studies.answers import Answer, Question, answer, contrasts, number, ranked
from figureground.training.trainer import Validation, outputs_of

_SHOWN, _LONGEST, _CONFUSIONS = 8, 200, 12
_QUESTION = Question(
    claim="classifies",
    measure="of the validation images right",
    label="validation images that are right, %; 95 % intervals",
)
_BEST = "The best weights, chosen by these images, reach {}; the number to report is one of test images."


@dataclass(frozen=True)
class LookedAt:
    """What the record of a run keeps of the validation images.

    Args:
        answer: What the page leads with.
        tables: Classes, and what is taken for what.
        worst: The images whose class got the least probability.
    """

    answer: Answer
    tables: tuple[dict[str, Any], ...]
    worst: tuple[dict[str, Any], ...]


def look_at(
    model: nn.Module,
    held: Validation,
    class_names: Sequence[str],
    *,
    best: float,
    seed: int,
) -> LookedAt:
    """Predict the validation images once more and say what came out.

    Args:
        model: Images in [0, 1] to logits; left in the mode in which it came.
        held: The images.
        class_names: Of the known classes.
        best: Result of the best weights, a share.
        seed: Of the resampling.

    Returns:
        What is kept of them.
    """
    names = [*class_names, "background"]
    logits = torch.cat([one.cpu() for one, _ in outputs_of(model, held)]).nan_to_num()
    labels = held.labels.cpu()
    predicted = logits.argmax(1)
    return LookedAt(
        _answer(logits, labels, held, best=best, seed=seed),
        (_class_table(labels, predicted, names), _confusion_table(labels, predicted, names)),
        _worst(logits, held, names),
    )


def _answer(
    logits: Logits, labels: Int[Tensor, " N"], held: Validation, *, best: float, seed: int
) -> Answer:
    """Accuracy beside naming the commonest class; of rare classes, mean average precision beside a random order."""
    reached = _BEST.format(number(best, 3) if held.rare else number(100 * best, 1, " %"))
    if held.rare and bool((labels < held.rare).any()):
        counts = labels.bincount(minlength=held.rare)[: held.rare].tolist()
        chance = [expected_random_ap(one, len(labels)) for one in counts if one]
        found = mean_average_precision_interval(logits, labels, classes=held.rare, score="softmax")
        told = ranked(found, sum(chance) / len(chance), positives=sum(counts))
    else:
        right = {
            "network/right": (logits.argmax(1) == labels).numpy(),
            "commonest/right": (labels == labels.bincount().argmax()).numpy(),
        }
        told = answer(
            _QUESTION,
            contrasts(
                lambda key: 100.0 * right[key],
                {"network": "the network"},
                "right",
                baselines={"commonest": "naming the commonest class"},
                question=_QUESTION,
                seed=seed,
            ),
        )
    return replace(
        told,
        sentences=(*told.sentences, reached),
        title="How well it does on the validation images",
    )


def _class_table(
    labels: Int[Tensor, " N"], predicted: Int[Tensor, " N"], names: Sequence[str]
) -> dict[str, Any]:
    """One row a class, that with the fewest right first."""
    rows: list[list[Any]] = []
    for number_, name in enumerate(names):
        some = labels == number_
        if bool(some.any()):
            right = 100 * float((predicted[some] == number_).double().mean())
            rows.append([name, int(some.sum()), round(right, 2)])
    rows.sort(key=lambda row: row[2])
    return {
        "title": "Classes",
        "caption": "Validation images, last weights.",
        "columns": ["class", "images", "right, %"],
        "rows": rows,
    }


def _confusion_table(
    labels: Int[Tensor, " N"], predicted: Int[Tensor, " N"], names: Sequence[str]
) -> dict[str, Any]:
    """The pairs of classes that are confused most often."""
    wrong_pairs = torch.stack([labels, predicted], 1)[labels != predicted]
    pairs, counts = torch.unique(wrong_pairs, dim=0, return_counts=True)
    order = counts.argsort(descending=True, stable=True)[:_CONFUSIONS].tolist()
    rows = [[names[int(pairs[at, 0])], names[int(pairs[at, 1])], int(counts[at])] for at in order]
    return {
        "title": "What is taken for what",
        "caption": "The commonest mistakes on validation images, last weights.",
        "columns": ["class", "taken for", "images"],
        "rows": rows,
    }


def _worst(logits: Logits, held: Validation, names: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """Wrong images whose class got the least probability."""
    shares, labels = logits.softmax(1), held.labels.cpu()
    own = shares.gather(1, labels[:, None])[:, 0]
    predicted = logits.argmax(1)
    order = own.argsort(stable=True)
    rows = order[predicted[order] != labels[order]][:_SHOWN].tolist()
    return tuple(
        {
            "label": names[int(labels[row])],
            "predicted": names[int(predicted[row])],
            "probability": round(float(own[row]), 4),
            "picture": thumbnail(_picture(held.images[row : row + 1][0]), _LONGEST),
        }
        for row in rows
    )


def _picture(image: Tensor) -> np.ndarray:
    """Red, green and blue of an image ``(C, H, W)``; of other numbers of channels the first one as grey."""
    shown = image if len(image) == 3 else image[:1].expand(3, -1, -1)
    return shown.cpu().permute(1, 2, 0).contiguous().numpy()
