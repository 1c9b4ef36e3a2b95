"""What CAM erasing costs: a refresh of all maps in epochs, an erasing step in training steps."""

__all__ = ["main"]

import os
import statistics
import tempfile
from pathlib import Path

import torch
from lightning.fabric import Fabric
from timing import machine, print_table, seconds

from figureground.models import CifarResNet
from figureground.training import Batches, Run, fit
from figureground.training.algorithms.cam_erasing import CamErasing, CamErasingOptions
from figureground.training.recipe import changed

_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_STEPS = int(os.environ.get("FIGUREGROUND_BENCH_STEPS", "20"))
_BATCH = 128
_EVERY = 10


def main() -> None:
    """Epoch, refresh and erasing alternate; medians of the ratios of each round count."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    refreshes, erasings, epoch_seconds = [], [], []
    for number in range(_ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            run, erasing = _begun(Path(folder), device)
            seconds(lambda run=run: fit(run), device)
            epoch = run.seconds
            refresh = seconds(lambda run=run, erasing=erasing: erasing.refresh(run), device)
            batches = list(run.batches.epoch(0))
            erase = seconds(
                lambda run=run, erasing=erasing, batches=batches: [erasing.change_batch(b, run) for b in batches],
                device,
            )  # fmt: skip
        if number:  # the first round warms up
            epoch_seconds.append(epoch)
            refreshes.append(refresh / epoch)
            erasings.append(erase / epoch)
    refresh, erase = statistics.median(refreshes), statistics.median(erasings)
    share = refresh / (_EVERY * (1 + erase) + refresh)
    rows = [
        ["a refresh, in plain training epochs", f"{refresh:.3f}", "0.45"],
        [f"refreshing every {_EVERY} epochs, of all the time", f"{share:.1%}", "6 %"],
        ["an erasing step, in plain training steps", f"{erase:.2%}", "3 %"],
    ]
    step = statistics.median(epoch_seconds) / _STEPS
    title = f"CAM erasing, CIFAR ResNet-20, batches of {_BATCH}, a step {step * 1000:.0f} ms, {machine(device)}"
    print_table(title, ["cost", "measured", "at most"], rows)


def _begun(folder, device):
    """A run of plain training, and an algorithm beside it that erases from the first epoch on."""
    images = torch.randint(0, 256, (_BATCH * _STEPS, 3, 32, 32), dtype=torch.uint8, device=device)
    labels = torch.randint(0, 10, (len(images),), device=device)
    recipe = changed(
        {
            "name": "bench",
            "epochs": 1,
            "batch_size": _BATCH,
            "data": {"name": "random"},
            "model": {"name": "ours"},
            "precision": "bf16-mixed" if device == "cuda" else "32-true",
            "channels_last": True,
        }
    )
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    batches = Batches(images, labels, _BATCH, 0, crop_padding=4, flip=True, channels_last=True)
    run = Run.start(recipe, CifarResNet(20), batches, fabric=fabric, folder=folder)
    return run, CamErasing(CamErasingOptions(start=0.0), 10)


if __name__ == "__main__":
    main()
