"""A tiny network, tiny images, and a run of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from torch import nn

from figureground.training import Batches, Recipe, Run
from figureground.training.algorithm import Algorithm
from figureground.training.recipe import changed

SMALL = {"name": "t", "epochs": 2, "batch_size": 8, "data": {"name": "x"}, "model": {"name": "y"}}


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (32, 1, 6, 6), generator=numbers, dtype=torch.uint8)
    return images, torch.randint(0, 3, (32,), generator=numbers)


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    def make(outputs: int = 3, *, dropout: float = 0.0, norm: bool = False) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(1)
            return nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4) if norm else nn.Identity(),
                nn.Tanh(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Dropout(dropout),
                nn.Linear(4, outputs),
            )

    return make


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    def make(**changes: Any) -> Recipe:
        return changed(SMALL | changes)

    return make


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.fixture
def start(data: tuple[torch.Tensor, torch.Tensor], fabric: Fabric) -> Callable[..., Run]:
    def make(
        recipe: Recipe,
        network: nn.Module,
        folder: Path,
        *,
        algorithms: list[Algorithm] | None = None,
        **settings: Any,
    ) -> Run:
        held: dict[str, Any] = {
            "images": data[0],
            "labels": data[1],
            "size": recipe.batch_size,
        } | settings
        batches = Batches(seed=recipe.seed, accumulate=recipe.accumulate, **held)
        return Run.start(
            recipe, network, batches, fabric=fabric, folder=folder, algorithms=algorithms or []
        )

    return make
