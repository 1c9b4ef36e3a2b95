"""A small classifier and a photo to explore."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.models import Classifier, Preprocessing
from figureground.web.served import ServedModel, serve_model


def toy(seed: int = 0, names: tuple[str, ...] = ("red, deep", "green", "blue")) -> Classifier:
    """A convolutional network of three classes that takes 16x16 pixels of a 20x20 image."""
    torch.manual_seed(seed)  # noqa: TID251 - weights of the test's own
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    shape = Preprocessing((16, 16), "crop", 0.8, "bilinear", (0.5,) * 3, (0.5,) * 3, 3)
    return Classifier(network, shape, name=f"toy{seed}", class_names=names)


@pytest.fixture
def model() -> ServedModel:
    """The toy, and how it would be named."""
    return serve_model(toy(), ("--model", "toy.py:build"), device="cpu")


@pytest.fixture
def photo() -> Image.Image:
    """40x30 pixels: noise with a bright square."""
    pixels = np.random.default_rng(0).integers(0, 120, (30, 40, 3), dtype=np.uint8)
    pixels[8:20, 10:22] = (250, 40, 40)
    return Image.fromarray(pixels)


@pytest.fixture
def other_model() -> ServedModel:
    """Other weights, and another name for the last class."""
    return serve_model(toy(1, ("red, deep", "green", "teal")), ("--model", "runs/b"), device="cpu")
