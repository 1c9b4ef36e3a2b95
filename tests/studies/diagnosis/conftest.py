"""Images whose object and background both tell the class, and networks that read one of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.models import Classifier, Preprocessing
from figureground.studies.models import LoadedModel

NAMES = ("a", "b", "c", "d")
SIDE = 24
TOP, LEFT, SIZE = 8, 7, 8  # of the object


def level(label: int) -> int:
    """Grey of a class."""
    return 30 + 60 * label


class Reader(nn.Module):
    """Logits by how near the mean grey of a part of the image is to that of each class."""

    calls: int

    def __init__(self, part: str, *, extra: int = 0) -> None:
        super().__init__()
        where = torch.zeros(SIDE, SIDE)
        inner = (slice(TOP + 2, TOP + SIZE - 2), slice(LEFT + 2, LEFT + SIZE - 2))
        if part == "object":
            where[inner] = 1
        elif part == "corner":
            where[:3, :3] = 1
        else:
            where[:3] = where[-3:] = 1
        self.where = where
        self.extra, self.calls = extra, 0
        self.scale = nn.Parameter(torch.tensor(400.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += len(images)
        grey = (images.mean(1) * self.where).sum((1, 2)) / self.where.sum()
        levels = torch.tensor([level(k) / 255 for k in range(len(NAMES))])
        logits = -self.scale * (grey[:, None] - levels).square()
        return torch.cat([logits, logits.new_full((len(images), self.extra), 9.0)], 1)


@pytest.fixture
def reader() -> Callable[..., LoadedModel]:
    def make(part: str, *, extra: int = 0) -> LoadedModel:
        plain = Preprocessing((SIDE, SIDE), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
        names = (*NAMES, *("background",) * extra)
        return LoadedModel(
            Classifier(Reader(part, extra=extra).eval(), plain, name=part, class_names=names)
        )

    return make


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Writes images of four classes with ``boxes.csv``; each class has its own grey, on object and background alike."""

    def write(each: int = 10, folder: str = "photos", *, more: tuple[str, ...] = ()) -> Path:
        place = tmp_path / folder
        place.mkdir()
        draws = np.random.default_rng(0)
        rows = ["path,label,x0,y0,x1,y1"]
        for number in range(each * len(NAMES)):
            label = number % len(NAMES)
            pixels = level(label) + draws.integers(-6, 7, (SIDE, SIDE, 3))
            pixels[TOP : TOP + SIZE, LEFT : LEFT + SIZE] += draws.integers(-3, 4)
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{number:03d}.png")
            rows.append(f"{number:03d}.png,{NAMES[label]},{LEFT},{TOP},{LEFT + SIZE},{TOP + SIZE}")
        (place / "boxes.csv").write_text("\n".join([*rows, *more]) + "\n")
        return place

    return write
