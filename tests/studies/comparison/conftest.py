"""Small finished runs, and runs that need no training."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from figureground.models import Classifier, Preprocessing
from figureground.studies.comparison.predictions import Prediction
from figureground.studies.training.runs import TrainedRun
from figureground.studies.training.train import train
from figureground.training.recipe import changed

BACKGROUND = "algorithms=[{background-class: {pools: [{name: cluttered-digits, count: 20, background: true}]}}]"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_recipe: dict[str, Any]) -> Path:
    """A folder with the finished runs plain-0, plain-1, bg-0 and bg-1."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        for name, changes in (("plain", []), ("bg", [BACKGROUND])):
            recipe = changed(tiny_recipe, ["data.count=32", f"seed={seed}", *changes])
            train(recipe, folder / f"{name}-{seed}", accelerator="cpu")
    return folder


@pytest.fixture
def toy_run(tiny_recipe: dict[str, Any]) -> Callable[..., TrainedRun]:
    """Makes a run whose network is given: images of 2 x 2 pixels, one colour."""

    def make(
        network: nn.Module | None = None,
        *,
        seed: int = 0,
        names: tuple[str, ...] = ("a", "b", "c"),
        background: bool = False,
        data: dict[str, object] | None = None,
    ) -> TrainedRun:
        plain = Preprocessing((2, 2), "crop", 1.0, "bilinear", (0.0,), (1.0,), 1)
        outputs = (*names, "background") if background else names
        body = nn.Sequential(nn.Flatten(), nn.Linear(4, len(outputs)))
        classifier = Classifier(network or body, plain, class_names=outputs).eval()
        content = {
            **tiny_recipe,
            "seed": seed,
            "data": data or {"name": "cluttered-digits", "seed": 0},
        }
        record = {
            "parameters": 12,
            "steps": 10 + seed,
            "images": 20,
            "seconds": 1.5,
            "best": 0.5,
            "device": "cpu",
        }
        return TrainedRun(Path(f"run-{seed}"), classifier, changed(content), record, names)

    return make


@pytest.fixture
def prediction(toy_run: Callable[..., TrainedRun]) -> Callable[..., Prediction]:
    """Makes the predictions of a run without asking it."""

    def make(
        logits: list[list[float]] | torch.Tensor,
        labels: list[int] | torch.Tensor,
        *,
        seed: int = 0,
        background: bool = False,
        key: int = 0,
    ) -> Prediction:
        tensor = torch.as_tensor(logits, dtype=torch.float32)
        known = tuple("abcdefghij"[: tensor.shape[1] - background])
        run = toy_run(seed=seed, names=known, background=background)
        return Prediction(run, tensor, torch.as_tensor(labels), key)

    return make


@pytest.fixture
def tables_of() -> Callable[..., SimpleNamespace]:
    """Turns a table's rows into dicts by column."""

    def rows(table: dict[str, Any]) -> list[dict[str, object]]:
        return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]

    return rows  # type: ignore[return-value]
