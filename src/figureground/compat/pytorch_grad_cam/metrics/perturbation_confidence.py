"""Confidence in a changed image less that in the image itself."""

__all__ = ["PerturbationConfidenceMetric"]

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from figureground.compat.refusals import one_number

Target = Callable[[Any], Tensor]
Change = Callable[[Tensor, Tensor], Tensor]


class PerturbationConfidenceMetric:
    """How much targets change where images are changed by their maps.

    Args:
        perturbation: From an image ``(C, H, W)`` and a map ``(H, W)`` to the changed image.
    """

    def __init__(self, perturbation: Change) -> None:
        self.perturbation = perturbation

    def __call__(
        self,
        input_tensor: Tensor,
        cams: np.ndarray,
        targets: Sequence[Target],
        model: nn.Module,
        return_visualization: bool = False,
        return_diff: bool = True,
    ) -> Any:
        """Scores of a batch.

        Args:
            input_tensor: ``(N, C, H, W)``.
            cams: ``(N, H, W)`` in [0, 1].
            targets: One for each image.
            model: The network.
            return_visualization: The changed images, too.
            return_diff: Less the score of the images themselves.

        Returns:
            ``(N,)`` float32; with ``return_visualization`` that and ``(N, C, H, W)``.
        """
        maps = torch.as_tensor(np.asarray(cams), dtype=torch.float32)
        pairs = zip(input_tensor.cpu(), maps, strict=True)
        changed = torch.stack([self.perturbation(image, one) for image, one in pairs])
        changed = changed.to(input_tensor.device)
        scores = _scores(model, changed, targets)
        if return_diff:
            scores = scores - _scores(model, input_tensor, targets)
        return (scores, changed) if return_visualization else scores


def _scores(model: nn.Module, images: Tensor, targets: Sequence[Target]) -> np.ndarray:
    """The target of each image."""
    with torch.no_grad():
        returned = model(images)
        values = [
            float(one_number(target(one), target))
            for target, one in zip(targets, returned, strict=True)
        ]
    return np.array(values, np.float32)
