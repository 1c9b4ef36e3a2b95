"""What is known of the images of a batch apart from their maps, as plain dicts."""

__all__ = ["image_descriptions"]

from typing import Any

import torch
from torch import Tensor

from figureground.maps.concepts import concept_colours
from figureground.methods import Explanation
from figureground.models import Classifier

_TOP = 5


def image_descriptions(explanation: Explanation, classifier: Classifier) -> list[dict[str, Any]]:
    """Predictions, classes asked for, layers and concepts of each image.

    Args:
        explanation: Of a batch of N images.
        classifier: Knows the names of classes.

    Returns:
        N dicts with ``layers``, ``predictions`` (the five best classes), ``classes`` and ``concepts``.
    """
    scores = _scores(explanation).cpu()
    best = scores.topk(min(_TOP, scores.shape[1]), dim=1).indices
    asked = best[:, :0] if explanation.classes is None else explanation.classes.cpu()
    concepts = _concepts(explanation, classifier)
    layers = [{"name": one.name, "reason": one.reason} for one in explanation.layers]

    def named(row: int, index: int) -> dict[str, Any]:
        score = round(float(scores[row, index]), 6)
        return {"index": index, "name": classifier.class_name(index), "score": score}

    return [
        {
            "layers": layers,
            "predictions": [named(row, index) for index in best[row].tolist()],
            "classes": [named(row, index) for index in asked[row].tolist()],
            "concepts": concepts,
        }
        for row in range(len(scores))
    ]


def _scores(explanation: Explanation) -> Tensor:
    """Probabilities ``(N, L)``; of one logit those of class 0 and class 1."""
    given = explanation.probabilities
    return torch.cat([1 - given, given], 1) if given.shape[1] == 1 else given


def _concepts(explanation: Explanation, classifier: Classifier) -> list[dict[str, Any]] | None:
    """The concepts of the (first) factorized layer, each with the classes that the head sees in it."""
    if not explanation.concepts:
        return None
    found = next(iter(explanation.concepts.values()))
    if found.logits is None:
        return None
    single = found.logits.shape[1] == 1
    shares = found.logits.sigmoid() if single else found.logits.softmax(1)
    best = shares.topk(min(2, shares.shape[1]))
    colours = concept_colours(len(found.energy))
    return [
        {
            "colour": colours[k],
            "energy": round(float(found.energy[k]), 4),
            "labels": [
                [classifier.class_name(int(i) + single), round(float(s), 4)]
                for s, i in zip(best.values[k], best.indices[k], strict=True)
            ],
        }
        for k in range(len(found.energy))
    ]
