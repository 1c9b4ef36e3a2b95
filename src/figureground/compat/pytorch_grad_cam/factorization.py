"""Its deep feature factorization."""

__all__ = ["DeepFeatureFactorization"]

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from figureground.compat.refusals import refuse_non_finite
from figureground.maps import normalise, resize
from figureground.methods import DeepFeatureFactorization as Factorization, Explainer


class DeepFeatureFactorization:
    """``dff``, called as in pytorch-grad-cam.

    Args:
        model: The network.
        target_layer: Whose activations are factorised.
        reshape_transform: Accepted and not used.
        computation_on_concepts: From concepts ``(K, C)`` to their outputs: the classifier's last layer.
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: nn.Module,
        reshape_transform: object = None,
        computation_on_concepts: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        del reshape_transform
        self.model, self.layer = model.eval(), target_layer
        self.computation = computation_on_concepts

    def __call__(self, input_tensor: Tensor, n_components: int = 16) -> tuple[Any, ...]:
        """Concepts of a batch, shared by its images.

        Args:
            input_tensor: ``(N, C, H, W)``.
            n_components: K.

        Returns:
            Concepts ``(C, K)``; for each image maps ``(K, H, W)`` in [0, 1]; and outputs ``(K, L)`` where a
            computation on concepts was given.

        Raises:
            MapError: A map holds NaN or infinity.
        """
        device = next(self.model.parameters()).device
        explainer = Explainer(self.model, layer=self.layer)
        found = explainer(input_tensor.to(device), methods=Factorization(n_components))
        refuse_non_finite(found)
        (maps,) = found.maps.values()
        assert isinstance(maps, Tensor)  # noqa: S101 - of one layer
        size = (input_tensor.shape[2], input_tensor.shape[3])
        scaled = resize(normalise(maps.float().cpu(), on_blank="zeros"), size)
        pictures = list(scaled.numpy().astype(np.float32))
        (found_concepts,) = found.concepts.values()
        vectors = found_concepts.vectors
        concepts = vectors.T.cpu().numpy()
        if self.computation is None:
            return concepts, pictures
        with torch.no_grad():
            outputs = self.computation(vectors.float().to(device)).cpu().numpy()
        return concepts, pictures, outputs
