"""What a reader of the card does, and what two processes do."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from figureground.training import fit
from figureground.training.algorithms import resolved
from figureground.training.algorithms.cam_erasing import CamErasing, CamErasingOptions


def test_the_snippets_of_the_card_run(start, recipe, network, data, tmp_path):
    card = Path(inspect.getfile(CamErasing)).with_name("README.md").read_text(encoding="utf-8")
    own_loop, mixing = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names: dict = {}
    exec(own_loop, names)  # noqa: S102 - the card is ours
    assert names["erased"].shape == (2, 3, 32, 32)
    exec(mixing, names)  # noqa: S102
    run = start(recipe(), network(), tmp_path, algorithms=[names["Mixing"](CamErasingOptions(), 3)])
    fit(run)
    assert run.step == 8
    (written,) = re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)
    assert resolved(recipe(**yaml.safe_load(written))).algorithms[0]["cam-erasing"]["start"] == 0.5


SCRIPT = """
import sys
from pathlib import Path
import torch
from torch import nn
from figureground.training import Batches, Run
from figureground.training.algorithms.cam_erasing import CamErasing, CamErasingOptions
from figureground.training.recipe import changed
from figureground.training.run import launched

numbers = torch.Generator().manual_seed(0)
images = torch.randint(0, 256, (33, 1, 6, 6), generator=numbers, dtype=torch.uint8)
labels = torch.randint(0, 3, (33,), generator=numbers)
recipe = changed({"name": "t", "epochs": 2, "batch_size": 8, "data": {"name": "x"}, "model": {"name": "y"}})
torch.manual_seed(1)
network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
fabric = launched(precision="32-true", accelerator="cpu")
batches = Batches(images, labels, 8, 0, rank=fabric.global_rank, world=fabric.world_size)
erasing = CamErasing(CamErasingOptions(), 3)
run = Run.start(recipe, network, batches, fabric=fabric, folder=Path("unused"), algorithms=[erasing])
erasing.refresh(run)
torch.save(erasing.state(), f"{sys.argv[1]}-{fabric.global_rank}-of-{fabric.world_size}.pt")
"""


@pytest.mark.slow
def test_two_processes_share_the_work_and_hold_the_same_maps(tmp_path):
    script = tmp_path / "job.py"
    script.write_text(SCRIPT)
    for launcher in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]):
        done = subprocess.run(
            [sys.executable, *launcher, str(script), str(tmp_path / "maps")],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-3000:]
    one, first, second = (
        torch.load(tmp_path / f"maps-{name}.pt")["maps"] for name in ("0-of-1", "0-of-2", "1-of-2")
    )
    assert torch.equal(first["levels"], second["levels"])
    assert first["covered"].all()
    difference = first["levels"].int() - one["levels"].int()
    assert int(difference.abs().amax()) <= 1
    assert one["levels"].any()
