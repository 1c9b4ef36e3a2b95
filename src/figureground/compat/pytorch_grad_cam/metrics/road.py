"""ROAD: pixels are replaced by what surrounds them, the most or the least relevant first."""

__all__ = [
    "ROADCombined",
    "ROADLeastRelevantFirst",
    "ROADLeastRelevantFirstAverage",
    "ROADMostRelevantFirst",
    "ROADMostRelevantFirstAverage",
]

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from figureground.base.seeds import generator
from figureground.compat.pytorch_grad_cam.metrics.perturbation_confidence import (
    PerturbationConfidenceMetric,
    Target,
)
from figureground.metrics.faithfulness.imputation import linear_imputation

_DECILES = tuple(range(10, 100, 10))
_NOISE = 0.01


class _Remove:
    """Replaces the pixels whose map is at or above a percentile.

    *Differs:* the noise on replaced pixels has a fixed seed, so that a score can be repeated.
    """

    def __init__(self, percentile: float, *, least: bool) -> None:
        self.percentile, self.least = percentile, least

    def __call__(self, image: Tensor, one: Tensor) -> Tensor:
        values = (1 - one if self.least else one).numpy()
        removed = torch.from_numpy(values >= np.percentile(values, self.percentile))
        filled = linear_imputation(image[None].float(), removed[None])[0]
        noise = torch.randn(image.shape, generator=generator(0)) * _NOISE
        return torch.where(removed, filled + noise, image)


class ROADMostRelevantFirst(PerturbationConfidenceMetric):
    """Confidence left without the most relevant pixels.

    Args:
        percentile: Pixels from this percentile of the map on are replaced.

    References:
        Rong et al. (2022), arXiv:2202.00449.
    """

    def __init__(self, percentile: float = 80) -> None:
        super().__init__(_Remove(percentile, least=False))


class ROADLeastRelevantFirst(PerturbationConfidenceMetric):
    """Confidence left without the least relevant pixels.

    Args:
        percentile: Pixels from this percentile of the inverted map on are replaced.
    """

    def __init__(self, percentile: float = 20) -> None:
        super().__init__(_Remove(percentile, least=True))


class _Average:
    """Mean over percentiles."""

    kind: type[ROADMostRelevantFirst | ROADLeastRelevantFirst]

    def __init__(self, percentiles: Sequence[int | float] = _DECILES) -> None:
        self.percentiles = percentiles

    def __call__(
        self, input_tensor: Tensor, cams: np.ndarray, targets: Sequence[Target], model: nn.Module
    ) -> np.ndarray:
        """``(N,)``, as for ``PerturbationConfidenceMetric``."""
        some = [
            self.kind(float(one))(input_tensor, cams, targets, model) for one in self.percentiles
        ]
        return np.mean(some, axis=0)


class ROADMostRelevantFirstAverage(_Average):
    """Mean over percentiles, the most relevant pixels first."""

    kind = ROADMostRelevantFirst


class ROADLeastRelevantFirstAverage(_Average):
    """Mean over percentiles, the least relevant pixels first."""

    kind = ROADLeastRelevantFirst


class ROADCombined:
    """Half of what is left more when the least relevant pixels go first.

    Args:
        percentiles: Of the map.
    """

    def __init__(self, percentiles: Sequence[int | float] = _DECILES) -> None:
        self.percentiles = percentiles

    def __call__(
        self, input_tensor: Tensor, cams: np.ndarray, targets: Sequence[Target], model: nn.Module
    ) -> np.ndarray:
        """``(N,)``, as for ``PerturbationConfidenceMetric``."""
        asked = (input_tensor, cams, targets, model)
        least = ROADLeastRelevantFirstAverage(self.percentiles)(*asked)
        return (least - ROADMostRelevantFirstAverage(self.percentiles)(*asked)) / 2
