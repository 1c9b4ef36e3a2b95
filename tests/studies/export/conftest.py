"""Small finished runs to be taken out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.studies.jobs import make_world

from figureground.studies.training.train import train
from figureground.training.recipe import changed


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a run of a network on twelve photos of two classes, perhaps with an output for backgrounds."""
    world = make_world(tmp_path_factory.mktemp("world"))
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (16, 20, 3), dtype=np.uint8)
        (world / "backgrounds").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(world / "backgrounds" / f"{number}.png")
    done: dict[str, Path] = {}

    def run(name: str, *, background: bool = True, **model: Any) -> Path:
        key = f"{name} {background} {model}"
        if key not in done:
            done[key] = tmp_path_factory.mktemp("run") / "run"
            pools = {"pools": [str(world / "backgrounds")], "ratio": 0.25}
            recipe = changed(
                {
                    "name": "tiny",
                    "epochs": 1,
                    "batch_size": 4,
                    "data": {"name": "folder", "root": str(world / "photos"), "val_fraction": 0.2},
                    "model": {"name": name, "preprocessing": _PREPROCESSING} | model,
                    "algorithms": [{"background-class": pools}] if background else [],
                }
            )
            train(recipe, done[key], accelerator="cpu")
        return done[key]

    return run


_PREPROCESSING = {"size": [32, 40], "resize": "stretch", "crop_fraction": 1.0}
