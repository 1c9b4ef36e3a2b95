"""ARCC: coherency, complexity and ROAD in one number."""

__all__ = ["ARCC"]

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from figureground.compat.pytorch_grad_cam.metrics.perturbation_confidence import Target
from figureground.compat.pytorch_grad_cam.metrics.road import ROADCombined
from figureground.metrics.faithfulness import arcc, complexity


class ARCC:
    """The harmonic mean of coherency, one minus complexity, and twice ROAD.

    Args:
        base_method: What made the maps; it is asked once more about images times map.
        road_percentiles: Of ROAD.

    References:
        RefineCAM (2026), arXiv:2605.14641.
    """

    def __init__(
        self,
        base_method: Callable[..., np.ndarray],
        road_percentiles: Sequence[int] = (20, 40, 60, 80),
    ) -> None:
        self.base_method = base_method
        self.road = ROADCombined(percentiles=road_percentiles)

    def __call__(
        self,
        input_tensor: Tensor,
        grayscale_cams: np.ndarray,
        targets: Sequence[Target],
        model: nn.Module,
    ) -> np.ndarray:
        """Scores of a batch.

        Args:
            input_tensor: ``(N, C, H, W)``.
            grayscale_cams: ``(N, H, W)`` in [0, 1].
            targets: One for each image.
            model: The network.

        Returns:
            ``(N,)`` in [0, 1], higher is better.
        """
        maps = torch.from_numpy(grayscale_cams)
        again = self.base_method(
            input_tensor=input_tensor * maps[:, None].to(input_tensor.device), targets=targets
        )
        pairs = zip(again, grayscale_cams, strict=True)
        alike = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]
        coherency = torch.tensor(alike, dtype=torch.float32).nan_to_num().add(1).div(2)
        road = torch.as_tensor(self.road(input_tensor, grayscale_cams, targets, model)).float()
        return arcc(coherency, complexity(maps), road).numpy()
