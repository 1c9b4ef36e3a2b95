"""Activations and gradients of every form that a method may be given, and loops over them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

FORMS = ("spatial", "constant", "shared", "with-negative")
Twin = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    """Activations ``(N, 1, C, h, w)`` and gradients that broadcast against them."""

    activations: Tensor
    gradients: Tensor

    def looped(self, twin: Twin) -> Tensor:
        """A twin's maps ``(N, K, h, w)``, one image and class at a time."""
        n, _, c, h, w = self.activations.shape
        k = self.gradients.shape[1]
        whole = self.gradients.expand(n, k, c, h, w).double().numpy()
        acts = self.activations[:, 0].double().numpy()
        maps = [[twin(acts[i], whole[i, j]) for j in range(k)] for i in range(n)]
        return torch.from_numpy(np.array(maps)).float()


@pytest.fixture(params=FORMS)
def case(request: pytest.FixtureRequest) -> Case:
    """Two images, three classes, five channels, 4×3 positions."""
    generator = torch.Generator().manual_seed(FORMS.index(request.param))
    activations = torch.randn(2, 1, 5, 4, 3, generator=generator)
    if request.param != "with-negative":
        activations = activations.relu()
    shape = {"constant": (2, 3, 5, 1, 1), "shared": (1, 3, 5, 1, 1)}.get(request.param)
    gradients = torch.randn(shape or (2, 3, 5, 4, 3), generator=generator)
    return Case(activations, gradients)
