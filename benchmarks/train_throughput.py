"""Images per second of the engine, and of a bare loop that does the same to the same network and images."""

__all__ = ["main"]

import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from timing import machine, print_table, seconds
from torch import Tensor, nn

from figureground.models import CifarResNet, LeNetGAP
from figureground.training import Batches, Run, fit
from figureground.training.recipe import Recipe, changed

_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_STEPS = int(os.environ.get("FIGUREGROUND_BENCH_STEPS", "50"))
_PAD = 4


def main() -> None:
    """Both loops, alternating; the median of the pairwise ratios counts."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    jobs = {
        "LeNet-GAP, 1 × 48 × 48, plain": (lambda: LeNetGAP(1), (1, 48), False),
        "CIFAR ResNet-20, 3 × 32 × 32, cropped and flipped": (
            lambda: CifarResNet(20),
            (3, 32),
            True,
        ),
    }
    rows = []
    for name, (network, shape, augment) in jobs.items():
        count, engine, bare = _costs(network, shape, augment=augment, device=device)
        ratios = [
            statistics.median(b[kind] / e[kind] for e, b in zip(engine, bare, strict=True))
            for kind in (0, 1)
        ]
        best = [f"{count / min(wall for wall, _ in costs):,.0f}" for costs in (engine, bare)]
        rows.append([name, *best, *(f"{ratio:.3f}" for ratio in ratios)])
    print_table(
        f"Training, {machine(device)}",
        [
            "network and images",
            "engine, images/s",
            "bare loop, images/s",
            "ratio",
            "ratio, processor time",
        ],
        rows,
    )


def _costs(network, shape, *, augment, device):
    """How many images, and what both loops cost round by round: seconds and processor seconds."""
    batch = 1024 if device == "cuda" else 64
    channels, side = shape
    images = torch.randint(0, 256, (batch * _STEPS, channels, side, side), dtype=torch.uint8)
    labels = torch.randint(0, 10, (len(images),))
    images, labels = images.to(device), labels.to(device)
    recipe = changed(
        {
            "name": "bench",
            "epochs": 1,
            "batch_size": batch,
            "data": {"name": "random"},
            "model": {"name": "ours"},
            "precision": "bf16-mixed" if device == "cuda" else "32-true",
            "channels_last": True,
        }
    )
    engine, bare = [], []
    for number in range(_ROUNDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            run = _begun(recipe, network(), (images, labels), folder=Path(folder), augment=augment)
            cost = _cost(lambda run=run: fit(run), device)
        plain = network().to(device, memory_format=torch.channels_last).train()
        cost_bare = _cost(
            lambda plain=plain: _bare(plain, images, labels, recipe=recipe, augment=augment), device
        )
        if number:  # the first round warms up
            engine.append(cost)
            bare.append(cost_bare)
    return len(images), engine, bare


def _cost(job, device):
    """Seconds and processor seconds of one call."""
    began = time.process_time()
    return seconds(job, device), time.process_time() - began


def _begun(recipe: Recipe, network: nn.Module, data: tuple[Tensor, Tensor], *, folder, augment):
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    pad = _PAD if augment else 0
    batches = Batches(
        *data,
        recipe.batch_size,
        0,
        crop_padding=pad,
        flip=augment,
        channels_last=recipe.channels_last,
    )
    return Run.start(recipe, network, batches, fabric=fabric, folder=folder)


def _bare(
    network: nn.Module, images: Tensor, labels: Tensor, *, recipe: Recipe, augment: bool
) -> None:
    """What one would write by hand: images on the device, cropped and flipped there, one optimiser, one schedule."""
    spec, size = recipe.optimiser, recipe.batch_size
    optimiser = torch.optim.SGD(
        network.parameters(), spec.lr, spec.momentum, weight_decay=spec.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, len(labels) // size)
    order = torch.randperm(len(labels), device=labels.device)
    kind = labels.device.type
    for rows in order.split(size):
        part = images[rows]
        part = _cut(part) if augment else part
        pixels = part.float().div_(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            loss = F.cross_entropy(network(pixels), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def _cut(images: Tensor) -> Tensor:
    """A random crop of each padded image, flipped half of the time."""
    n, channels, h, w = images.shape
    padded = F.pad(images, [_PAD] * 4)
    top, left = torch.randint(0, 2 * _PAD + 1, (2, n, 1), device=images.device)
    coins = torch.rand(n, 1, device=images.device) < 0.5
    across = torch.arange(w, device=images.device).expand(n, w)
    across = torch.where(coins, across.flip(1), across) + left
    down = torch.arange(h, device=images.device) + top
    image = torch.arange(n, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return padded[image, channel, down[:, None, :, None], across[:, None, None, :]]


if __name__ == "__main__":
    main()
