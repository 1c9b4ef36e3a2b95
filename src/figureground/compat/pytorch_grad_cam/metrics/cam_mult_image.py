"""Images multiplied by their maps."""

__all__ = ["CamMultImageConfidenceChange", "DropInConfidence", "IncreaseInConfidence"]

from typing import Any

import numpy as np

from figureground.compat.pytorch_grad_cam.metrics.perturbation_confidence import (
    PerturbationConfidenceMetric,
)


class CamMultImageConfidenceChange(PerturbationConfidenceMetric):
    """Confidence in the image times its map, less that in the image."""

    def __init__(self) -> None:
        super().__init__(lambda image, one: image * one)


class DropInConfidence(CamMultImageConfidenceChange):
    """How much confidence is lost; 0 where it rose."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As for ``PerturbationConfidenceMetric``."""
        return np.maximum(-super().__call__(*args, **kwargs), 0)


class IncreaseInConfidence(CamMultImageConfidenceChange):
    """1 where confidence rose, else 0."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As for ``PerturbationConfidenceMetric``."""
        return (super().__call__(*args, **kwargs) > 0).astype(np.float32)
