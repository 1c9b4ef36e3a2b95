"""What a map is asked for: callables from what the model returns for one image to a scalar."""

__all__ = [
    "BinaryClassifierOutputTarget",
    "ClassifierOutputReST",
    "ClassifierOutputSoftmaxTarget",
    "ClassifierOutputTarget",
    "FasterRCNNBoxScoreTarget",
    "FinerWeightedTarget",
    "RawScoresOutputTarget",
    "SemanticSegmentationTarget",
    "SoftmaxOutputTarget",
]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou


@dataclass(frozen=True)
class ClassifierOutputTarget:
    """The logit of a class."""

    category: int

    def __call__(self, model_output: Tensor) -> Tensor:
        """From logits ``(L,)`` or ``(N, L)``."""
        return model_output[..., self.category]


@dataclass(frozen=True)
class ClassifierOutputSoftmaxTarget:
    """The probability of a class."""

    category: int

    def __call__(self, model_output: Tensor) -> Tensor:
        """From logits ``(L,)`` or ``(N, L)``."""
        return model_output.softmax(-1)[..., self.category]


@dataclass(frozen=True)
class ClassifierOutputReST:
    """Logit plus log-probability of a class (Cai 2025, arXiv:2501.06261)."""

    category: int

    def __call__(self, model_output: Tensor) -> Tensor:
        """From logits ``(L,)`` or ``(N, L)``."""
        both = model_output + model_output.log_softmax(-1)
        return both[..., self.category]


@dataclass(frozen=True)
class BinaryClassifierOutputTarget:
    """The single logit for class 1, its negative for class 0."""

    category: int

    def __call__(self, model_output: Tensor) -> Tensor:
        """From ``(1,)``."""
        return model_output if self.category == 1 else -model_output


class SoftmaxOutputTarget:
    """All probabilities, of which a map cannot be made; *differs:* refused with words, where theirs stops in torch."""

    def __call__(self, model_output: Tensor) -> Tensor:
        """From logits ``(L,)``."""
        return model_output.softmax(-1)


class RawScoresOutputTarget:
    """All outputs: the score of a network that has one; several are refused."""

    def __call__(self, model_output: Tensor) -> Tensor:
        """From ``(L,)``."""
        return model_output


class SemanticSegmentationTarget:
    """The scores of a category added up over a mask.

    Args:
        category: Its number.
        mask: ``(H, W)``.
    """

    def __init__(self, category: int, mask: np.ndarray | Tensor) -> None:
        self.category, self.mask = category, torch.as_tensor(mask)

    def __call__(self, model_output: Tensor) -> Tensor:
        """From ``(C, H, W)``."""
        return (model_output[self.category] * self.mask.to(model_output.device)).sum()


class FasterRCNNBoxScoreTarget:
    """Overlap and score of the detections that match given ones, added up; 0 where none does.

    Args:
        labels: Of the given boxes.
        bounding_boxes: ``(B, 4)``, xyxy pixels.
        iou_threshold: The least overlap of a match.
    """

    def __init__(
        self,
        labels: Sequence[int],
        bounding_boxes: np.ndarray | Tensor,
        iou_threshold: float = 0.5,
    ) -> None:
        self.labels, self.bounding_boxes = labels, bounding_boxes
        self.iou_threshold = iou_threshold

    def __call__(self, model_outputs: Mapping[str, Tensor]) -> Tensor:
        """From one image's ``boxes``, ``labels`` and ``scores``."""
        boxes, scores = model_outputs["boxes"], model_outputs["scores"]
        total = scores.sum() * 0  # keeps the graph where nothing matches
        if not len(boxes):
            return total
        given = torch.as_tensor(
            np.asarray(self.bounding_boxes), dtype=boxes.dtype, device=boxes.device
        )
        overlaps = box_iou(given, boxes)
        for row, label in zip(overlaps, self.labels, strict=True):
            best = int(row.argmax())
            if row[best] > self.iou_threshold and int(model_outputs["labels"][best]) == int(label):
                total = total + row[best] + scores[best]
        return total


@dataclass(frozen=True)
class FinerWeightedTarget:
    """A class's logit less those of others, each times alpha, weighted by the probabilities of the others."""

    main_category: int
    comparison_categories: Sequence[int]
    alpha: int | float

    def __call__(self, model_output: Tensor) -> Tensor:
        """From logits ``(L,)`` or ``(N, L)``."""
        others = list(self.comparison_categories)
        main = model_output[..., self.main_category, None]
        weights = model_output.softmax(-1)[..., others]
        differences = weights * (main - self.alpha * model_output[..., others])
        return differences.sum(-1) / (weights.sum(-1) + 1e-9)
