"""Images to be background, in memory and on disk."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.base.errors import ImageError


class Given:
    """Images as they are, each its own group; one of them may be bad."""

    def __init__(
        self, pictures: Sequence[np.ndarray], *, name: str = "given", bad: int | None = None
    ) -> None:
        self.pictures, self.name, self.bad = list(pictures), name, bad
        self.provenance = {"rule": "given"}

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> np.ndarray:
        if index == self.bad:
            raise ImageError(f"{self.name}-{index}.png", "cut short")
        return self.pictures[index]

    def group(self, index: int) -> str:
        return f"{self.name} {index}"


def scene(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    """An image with the falling spectrum of photographs, in colour."""
    draw = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(height))) + 0.02
    waves = np.fft.fft2(draw.standard_normal((3, height, width))) / frequency
    field = np.fft.ifft2(waves).real
    field += 0.5 * field.mean(axis=0)
    low, high = field.min(), field.max()
    return ((field - low) / (high - low) * 255).astype(np.uint8).transpose(1, 2, 0).copy()


@pytest.fixture
def given() -> type[Given]:
    """Makes a source of arrays."""
    return Given


@pytest.fixture
def scenes() -> Callable[..., list[np.ndarray]]:
    """Makes images that resemble photographs, one for each seed."""
    return lambda seeds, height=40, width=50: [scene(seed, height, width) for seed in seeds]


@pytest.fixture
def save() -> Callable[[Path, Sequence[np.ndarray]], Path]:
    """Writes images as 0.png, 1.png, ..., and gives the folder."""

    def write(folder: Path, pictures: Sequence[np.ndarray]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for row, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / f"{row}.png")
        return folder

    return write
