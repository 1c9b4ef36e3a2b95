"""A run whose algorithm has nothing to work on does not start."""

from pathlib import Path
from typing import Any

import pytest

from figureground.base.errors import OptionError
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
