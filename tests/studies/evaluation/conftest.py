"""Small pictures of one bright box each, with their annotations."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NAMES = ("tabby", "tiger cat", "lynx")


@pytest.fixture
def box_folder(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes ``count`` pictures of 64 x 48 pixels and ``boxes.csv``, and returns the folder."""

    def write(count: int = 12) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir()
        random = np.random.default_rng(0)
        rows = ["path,label,x0,y0,x1,y1"]
        for number in range(count):
            x0, y0 = random.integers(0, 30), random.integers(0, 20)
            x1, y1 = x0 + random.integers(10, 30), y0 + random.integers(10, 25)
            picture = random.integers(0, 60, (48, 64, 3)).astype(np.uint8)
            picture[y0:y1, x0:x1] += 180
            Image.fromarray(picture).save(folder / f"{number:02d}.png")
            rows.append(f"{number:02d}.png,{NAMES[number % 3]},{x0},{y0},{x1},{y1}")
        (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
        return folder

    return write
