"""Activations and gradients of every form that a method may be given, loops over them, and small networks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
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


def small_vit(**options: Any) -> Any:
    """A transformer for images of 24×32 with random weights, the same in every run, in evaluation mode."""
    common: dict[str, Any] = {"patch_size": 8, "embed_dim": 16, "num_heads": 4, "num_classes": 5}
    with torch.random.fork_rng():
        torch.set_rng_state(torch.Generator().manual_seed(0).get_state())
        net = VisionTransformer(img_size=(24, 32), **{"depth": 3, **common, **options})
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    return net.eval()


@pytest.fixture
def vit() -> Callable[..., Any]:
    """Makes a transformer for images of 24×32."""
    return small_vit


@pytest.fixture
def formula_vit() -> VisionTransformer:
    """A transformer of two blocks for images of 8×12; entry n of parameter i is .8·sin(1.3n + .7i)."""
    net = VisionTransformer(
        img_size=(8, 12),
        patch_size=4,
        embed_dim=4,
        depth=2,
        num_heads=2,
        mlp_ratio=2,
        num_classes=3,
        norm_layer=partial(nn.LayerNorm, eps=1e-6, elementwise_affine=False),
    )
    layers = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    blocks = [f"blocks.{block}.{layer}" for block in range(2) for layer in layers]
    affine = [
        f"{name}.{part}"
        for name in ("patch_embed.proj", *blocks, "head")
        for part in ("weight", "bias")
    ]
    for i, name in enumerate([*affine[:2], "cls_token", "pos_embed", *affine[2:]]):
        parameter = net.get_parameter(name).data
        n = torch.arange(parameter.numel(), dtype=torch.float64)
        parameter.copy_((0.8 * torch.sin(1.3 * n + 0.7 * i)).view_as(parameter))
    return net.eval()


@pytest.fixture
def formula_image() -> Tensor:
    """One image 8×12 by formula, ``(1, 3, 8, 12)``."""
    c, i, j = torch.meshgrid(torch.arange(3), torch.arange(8), torch.arange(12), indexing="ij")
    return (((7 * i + 11 * j + i * j + 5 * c) % 23) / 22)[None]
