"""Activations and gradients of every form that a method may be given, loops over them, and small networks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from figureground.models import LeNetGAP

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


@pytest.fixture(scope="session")
def digit_network(shared_data: Path) -> LeNetGAP:
    """The trained network of digits, its logits divided by 100, so that no softmax saturates."""
    network = LeNetGAP().eval()
    weights = shared_data / "weights" / "lenet_gap_cluttered_mnist.safetensors"
    network.load_state_dict(load_file(weights))
    with torch.no_grad():
        network.classifier.weight /= 100
    return network


@pytest.fixture(scope="session")
def digit_image() -> Tensor:
    """An image by formula, ``(1, 3, 20, 28)``."""
    i, j = torch.arange(20)[:, None], torch.arange(28)
    return ((7 * i + 11 * j + i * j) % 23 / 22).expand(1, 3, 20, 28)


class MaxHead(nn.Module):
    """A network whose head is no average: with a dead channel and a constant one in its feature map."""

    def __init__(self) -> None:
        super().__init__()
        torch.random.manual_seed(0)
        conv = nn.Conv2d(3, 6, 3, stride=2)
        with torch.no_grad():
            conv.weight[4:6] = 0
            assert conv.bias is not None
            conv.bias[4:6] = torch.tensor([-1.0, 0.7])
        self.body = nn.Sequential(conv, nn.ReLU())
        self.top = nn.Sequential(nn.Conv2d(6, 7, 2), nn.ReLU(inplace=True))
        self.head = nn.Linear(7, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.top(self.body(images)).amax((2, 3)))


@pytest.fixture
def max_head() -> MaxHead:
    """With the layer ``body``, ``(6, 5, 4)`` of images 12×9."""
    return MaxHead().eval()


@pytest.fixture
def two_images() -> Tensor:
    return torch.rand(2, 3, 12, 9, generator=torch.Generator().manual_seed(1))
