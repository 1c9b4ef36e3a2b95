"""A classifier as metrics ask it: logits in full precision, computed in any."""

__all__ = ["scored"]

import torch
from torch import Tensor

from figureground.capture import Precision
from figureground.metrics.faithfulness.scoring import Score
from figureground.models import Classifier

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def scored(classifier: Classifier, precision: Precision | None = None) -> Score:
    """Images ``(N, C, H, W)`` -> float32 logits ``(N, L)``; differentiable.

    Args:
        classifier: The model, in evaluation mode.
        precision: ``bf16`` or ``fp16`` run it under autocast.

    Returns:
        The callable.
    """
    kind = _TYPES.get(precision or "")

    def score(images: Tensor) -> Tensor:
        given = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, kind, enabled=kind is not None):
            return classifier(given).float()

    return score
