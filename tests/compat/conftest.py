"""A network with random weights and two images."""

import pytest
import torch
from torchvision.models import ResNet, resnet18

from figureground.base.seeds import seed_everything


@pytest.fixture(scope="module")
def model() -> ResNet:
    seed_everything(0)
    return resnet18(weights=None, num_classes=7).eval()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
