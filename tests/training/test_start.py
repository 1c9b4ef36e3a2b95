"""A run whose algorithm has nothing to work on does not start."""

from pathlib import Path
from typing import Any

import pytest

from figureground.base.errors import FigureGroundError, OptionError
from figureground.training.recipe import changed
from figureground.training.start import start_run

TINY: dict[str, Any] = {
    "name": "t",
    "epochs": 1,
    "batch_size": 8,
    "data": {"name": "cluttered-digits", "count": 16},
    "model": {
        "name": "figureground:lenet-gap",
        "arguments": {"channels": 1},
        "preprocessing": {"size": [12, 12]},
    },
}


@pytest.mark.parametrize(
    "algorithm", ["{background-class: {}}", "{background-class: {objective: uniform}}"]
)
def test_backgrounds_must_come_from_somewhere(algorithm: str, tmp_path: Path):
    change = f"algorithms=[{algorithm}]"
    with pytest.raises(
        OptionError, match=r"no training image is background.*data\.background=true"
    ):
        start_run(changed(TINY, [change]), tmp_path, accelerator="cpu")
    run, data = start_run(
        changed(TINY, [change, "data.background=true"]), tmp_path, accelerator="cpu"
    )
    assert data.backgrounds > 0
    assert run.algorithms[0].name == "background-class"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.weights=gone.pth", r"^model\.weights: no weights file gone\.pth"),
        ("model.name=figureground:lenet-gup", r"^model: no .*'lenet-gup'"),
        ("model={name: runs/gone}", r"^model: no run in the folder runs/gone"),
        (
            "algorithms=[{distillation: {teacher: {name: 'figureground:lenet-gap', weights: gone.pth}}}]",
            r"^distillation\.teacher\.weights: no weights file gone\.pth",
        ),
        (
            "algorithms=[{distillation: {teacher: runs/gone}}]",
            r"^distillation\.teacher: there is no folder runs/gone",
        ),
        (
            "algorithms=[{background-splitting: {teacher: runs/gone}}]",
            r"^background-splitting\.teacher: there is no folder runs/gone",
        ),
    ],
)
def test_a_network_that_is_not_there_is_told_by_its_key(change: str, message: str, tmp_path: Path):
    changes = [change, *(["data.background=true"] if "splitting" in change else [])]
    with pytest.raises(FigureGroundError, match=message):
        start_run(changed(TINY, changes), tmp_path, accelerator="cpu")
