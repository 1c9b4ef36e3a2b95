"""A step of distillation, in units of the teacher's forward pass and the student's plain step together.

``FIGUREGROUND_BENCH_LOSSES`` names losses, with commas between them; all where it is empty. With one thread, processor
time counts: a busy machine does not stretch it.
"""

__all__ = ["main"]

import os
import statistics
import tempfile
import time
from itertools import count
from pathlib import Path

import torch
from lightning.fabric import Fabric
from timing import machine, print_table, seconds

from figureground.models import load_classifier
from figureground.training import Batches, Run
from figureground.training.algorithms.distillation import DISTILLATION_LOSSES
from figureground.training.algorithms.distillation.algorithm import Distillation
from figureground.training.algorithms.distillation.options import DistillationOptions
from figureground.training.recipe import changed

_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_STEPS = int(os.environ.get("FIGUREGROUND_BENCH_STEPS", "4"))
_PICTURES = int(os.environ.get("FIGUREGROUND_BENCH_PICTURES", "4096"))
_LOSSES = os.environ.get("FIGUREGROUND_BENCH_LOSSES", "").split(",")
_PAIRS = (("cifar-resnet56", "cifar-resnet20"), ("cifar-vgg13", "cifar-vgg8"))


def main() -> None:
    """Both kinds of steps alternate; the median of the pairwise ratios counts, and is to be 1.1 at most."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = []
    pairs = _PAIRS if device == "cuda" else _PAIRS[:1]
    for taught, learns in pairs:
        for loss in [one for one in _LOSSES if one] or DISTILLATION_LOSSES:
            ratio, cost, extra = _ratio(
                f"figureground:{taught}", f"figureground:{learns}", loss, device=device
            )
            numbers = [f"{1000 * cost:.0f}", f"{1000 * extra:.1f}", f"{ratio:.3f}"]
            rows.append([f"{taught} → {learns}", loss, *numbers])
    print_table(
        f"Distillation, {_PICTURES} images, {machine(device)}",
        ["pair", "loss", "teacher forward + student step, ms", "more, ms", "ratio"],
        rows,
    )


def _ratio(taught, learns, loss, *, device):
    """The median ratio, the median cost of the unit and the median of what is added, in seconds."""
    size = 256 if device == "cuda" else 64
    with tempfile.TemporaryDirectory() as folder:
        plain = _begun(learns, [], size, folder=Path(folder) / "plain")
        teacher = load_classifier(taught, random=True)
        chosen = DistillationOptions(teacher="given", loss=loss, ramp=0.0)
        algorithm = Distillation(chosen, 10, teacher)
        distilled = _begun(learns, [algorithm], size, folder=Path(folder) / "distilled")
        teacher = algorithm.teacher
        steps, units = _steps(distilled), _steps(plain, teacher)
        costs = []
        for _ in range(_ROUNDS + 1):
            job = _seconds(lambda: [next(steps) for _ in range(_STEPS)], device)
            unit = _seconds(lambda: [next(units) for _ in range(_STEPS)], device)
            costs.append((job / unit, unit / _STEPS, (job - unit) / _STEPS))
    # the first round warms up
    return [statistics.median(column) for column in zip(*costs[1:], strict=True)]


def _seconds(job, device):
    """Of the processor, where one thread does everything; else on the wall."""
    if device == "cuda" or torch.get_num_threads() > 1:
        return seconds(job, device)
    began = time.process_time()
    job()
    return time.process_time() - began


def _begun(name, algorithms, size, *, folder):
    """A run over random images; half precision where there is a GPU."""
    cuda = torch.cuda.is_available()
    recipe = changed(
        {
            "name": "bench",
            "epochs": 1000,
            "batch_size": size,
            "data": {"name": "random"},
            "model": {"name": name},
            "precision": "bf16-mixed" if cuda else "32-true",
            "channels_last": True,
        }
    )
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    images = torch.randint(0, 256, (_PICTURES, 3, 32, 32), dtype=torch.uint8).to(fabric.device)
    labels = torch.randint(0, 10, (len(images),)).to(fabric.device)
    batches = Batches(images, labels, size, 0, crop_padding=4, flip=True, channels_last=True)
    network = load_classifier(name, random=True)
    return Run.start(recipe, network, batches, fabric=fabric, folder=folder, algorithms=algorithms)


def _steps(run, teacher=None):
    """Endless training steps without log and checkpoints; a teacher looks at each batch, and nobody listens."""
    run.model.train()
    for epoch in count():
        for original in run.batches.epoch(epoch):
            batch = original
            for algorithm in run.algorithms:
                batch = algorithm.change_batch(batch, run)
            for algorithm in run.algorithms:
                algorithm.before_pass(batch, run)
            if teacher is not None:
                with torch.inference_mode(), run.fabric.autocast():
                    teacher(batch.images)
            outputs = run.model(batch.images)
            losses = run.losses_of(outputs, batch.labels)
            for algorithm in run.algorithms:
                losses = algorithm.change_losses(losses, outputs, batch, run)
            run.fabric.backward(torch.stack(list(losses.values())).sum())
            run.optimiser.step()
            run.optimiser.zero_grad()
            yield


if __name__ == "__main__":
    main()
