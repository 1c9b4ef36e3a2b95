"""A small classifier and a folder of small images."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.methods import Explainer
from figureground.models import Classifier, Preprocessing

NAMES = ("tabby, tabby cat", "tiger cat", "lynx, catamount", "<b>fox</b>")


def make_network(outputs: int = 4, seed: int = 0) -> nn.Sequential:
    """Two convolutions, global average pooling, a linear head."""
    torch.manual_seed(seed)  # noqa: TID251 - an entry point of tests
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, outputs),
    )


@pytest.fixture
def make_classifier() -> Callable[..., Classifier]:
    def make(outputs: int = 4, seed: int = 0, names: tuple[str, ...] | None = NAMES) -> Classifier:
        plain = Preprocessing((24, 32), "stretch", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3, 3)
        network = make_network(outputs, seed).eval()
        return Classifier(network, plain, name="toy", class_names=names, num_classes=outputs)

    return make


@pytest.fixture
def classifier(make_classifier: Callable[..., Classifier]) -> Classifier:
    return make_classifier()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of a job, not there yet."""
    return tmp_path / "out"


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Counts in ``images`` how many are explained anew."""
    seen = SimpleNamespace(images=0)
    call = Explainer.__call__

    def counted(explainer: Explainer, images: torch.Tensor, *others: Any) -> Any:
        seen.images += len(images)
        return call(explainer, images, *others)

    monkeypatch.setattr(Explainer, "__call__", counted)
    return seen


@pytest.fixture
def write_images(tmp_path: Path) -> Callable[..., list[Path]]:
    """Writes images of noise, wider than high."""

    def write(count: int = 3, folder: str = "images", suffix: str = ".png") -> list[Path]:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        paths = []
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 255, (30, 50, 3), dtype=np.uint8)
            paths.append(place / f"{number}{suffix}")
            Image.fromarray(pixels).save(paths[-1])
        return paths

    return write
