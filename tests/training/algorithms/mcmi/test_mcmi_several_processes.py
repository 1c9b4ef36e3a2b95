"""Two processes that share the images have the centroids, the drift and the information of one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = """
import sys
from pathlib import Path
import torch
from torch import nn
from figureground.metrics.information import CMIMeter, class_sums
from figureground.training import Batches, Run, fit
from figureground.training.algorithms.mcmi.algorithm import MCMI, MCMIOptions
from figureground.training.recipe import changed
from figureground.training.run import launched

folder = Path(sys.argv[1])
fabric = launched(precision="32-true", accelerator="cpu")
rank, world = fabric.global_rank, fabric.world_size
numbers = torch.Generator().manual_seed(0)
images = torch.randint(0, 256, (45, 1, 6, 6), generator=numbers, dtype=torch.uint8)
labels = torch.randint(0, 3, (45,), generator=numbers)
recipe = changed({"name": "t", "epochs": 2, "batch_size": 8, "optimiser": {"lr": 0.02},
                  "data": {"name": "x"}, "model": {"name": "y"}})
kept = {}
for name, options in {"epoch": {}, "ema": {"centroids": "ema", "decay": 0.5}, "paper": {"preset": "paper"}}.items():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    batches = Batches(images, labels, 8, 0, crop_padding=1, flip=True, rank=rank, world=world)
    teacher = MCMI(MCMIOptions(weight=0.5, **options), 3)
    run = Run.start(recipe, network, batches, fabric=fabric, folder=folder / name, algorithms=[teacher])
    first = teacher.bank.centroids.clone()
    fit(run)
    meter = CMIMeter(3)
    with torch.no_grad():
        meter.update(network(images[rank::world].float() / 255), labels[rank::world])
    kept[name] = {"first": first, "last": teacher.bank.centroids} | meter.compute()
network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
batches = Batches(images, labels, 8, 0, rank=rank, world=world)
teacher = MCMI(MCMIOptions(weight=0.5), 3)
fit(Run.start(recipe, network, batches, fabric=fabric, folder=folder / "norm", algorithms=[teacher]))
with torch.no_grad():
    sums = class_sums(network.eval()(images.float() / 255), labels)
kept["norm"] = {"bank": teacher.bank.centroids, "network": sums.centroids}
torch.save(kept, folder / f"kept-{rank}.pt")
"""


def worked(folder: Path, *, processes: int) -> list[dict[str, dict[str, torch.Tensor]]]:
    """What each process kept, and the log of the first."""
    folder.mkdir()
    script = folder / "job.py"
    script.write_text(SCRIPT)
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [sys.executable, *(several if processes > 1 else []), str(script), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"kept-{rank}.pt") for rank in range(processes)]


def log(folder: Path) -> dict[str, list[float]]:
    """Values of each name, in order; those of single batches differ, since a process logs its own share."""
    found: dict[str, list[float]] = {}
    for line in (folder / "history.csv").read_text().splitlines()[1:]:
        words = line.split(",")
        found.setdefault(words[-2], []).append(float(words[-1]))
    return {name: found[name] for name in ("cmi", "surrogate", "drift", "class_separation", "ncmi")}


@pytest.mark.slow
def test_two_processes_have_the_centroids_and_the_information_of_one(tmp_path):
    (one,) = worked(tmp_path / "one", processes=1)
    both = worked(tmp_path / "two", processes=2)
    for kept in (one, *both):
        norm = kept.pop(
            "norm"
        )  # a norm moves otherwise in two processes, but the centroids are those of what is kept
        torch.testing.assert_close(norm["bank"].double(), norm["network"], atol=1e-5, rtol=0)
    for name, wanted in one.items():
        assert not torch.equal(wanted["first"], wanted["last"]) or name == "paper"
        for kept in both:
            for key, value in wanted.items():
                torch.testing.assert_close(kept[name][key], value, atol=1e-5, rtol=0)
        logs = log(tmp_path / "one" / name), log(tmp_path / "two" / name)
        for key, values in logs[0].items():
            assert len(values) == 2
            assert logs[1][key] == pytest.approx(values, abs=1e-5)
