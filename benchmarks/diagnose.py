"""What ``figureground diagnose`` costs beside its forward passes, whether its memory stays flat, the cost of swapping.

Run: OMP_NUM_THREADS=1 python benchmarks/diagnose.py
"""

__all__ = ["main"]

import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from networks import mobilenet
from timing import machine, peak_megabytes, print_table
from timm.data import ImageNetInfo

from figureground.data import shared_folder
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.models.from_figureground import NETWORKS
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.models import LoadedModel
from figureground.training import Batches, Run, fit
from figureground.training.algorithms.background_swap import (
    BackgroundSwapOptions,
    BackgroundSwapping,
)
from figureground.training.recipe import changed

_IMAGES = int(os.environ.get("FIGUREGROUND_BENCH_IMAGES", "650"))
_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_FEW, _MANY = 64, 2000


def main() -> None:
    """Measure and print; needs the shared data."""
    shared = shared_folder()
    if shared is None:
        print("diagnose: the shared data is absent (FIGUREGROUND_SHARED)", file=sys.stderr)
        return
    _print_swapping()
    _print_memory(shared)
    _print_passes(shared)


def _print_passes(shared):
    """Time of the command, in the network and beside it."""
    rows, pack = [], shared / "packs" / "ilsvrc_val650.npz"
    chosen = DataOptions(limit=_IMAGES, split="all")
    for name, quick in (("--quick", True), ("default options", False)):
        classifier = mobilenet(shared).to(memory_format=torch.channels_last)
        spent = _counted(classifier)
        with tempfile.TemporaryDirectory() as folder:
            began, cpu = time.perf_counter(), time.process_time()
            record = _diagnosed(classifier, pack, folder, chosen=chosen, quick=quick)
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        beside = f"{cpu / spent['cpu'] - 1:.2f}"
        rows.append([name, str(record.images), str(spent["passes"]), f"{wall:.0f}", beside])
    title = f"diagnose: {_IMAGES} photographs, MobileNetV2 at 224, {machine()}"
    columns = ["options", "took part", "passes", "seconds", "all else over passes, CPU time"]
    print_table(title, columns, rows)


def _print_memory(shared):
    """Peak memory of one process each."""
    peaks = {}
    for count in (_FEW, _MANY):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peaks[count] = pool.apply(_peak, (shared, count))
    rows = [[str(count), f"{peak:.0f}", f"{peak / peaks[_FEW]:.3f}"] for count, peak in peaks.items()]  # fmt: skip
    print_table(
        "diagnose --quick, MobileNetV2 at 224: peak memory",
        ["images", "MB", "over the first"],
        rows,
    )


def _peak(shared, count):
    """Peak memory after so many images."""
    classifier = mobilenet(shared).to(memory_format=torch.channels_last)
    pack, every = shared / "packs" / "tiny_imagenet_train25k.npz", ImageNetInfo("imagenet-1k")
    numbers = [every.label_names().index(one) for one in np.load(pack)["wnid"].tolist()]
    with tempfile.TemporaryDirectory() as folder:
        ids = Path(folder, "ids.txt")
        ids.write_text("".join(f"{row} {number}\n" for row, number in enumerate(numbers)))
        chosen = DataOptions(limit=count, split="all", class_ids=ids)
        _diagnosed(classifier, pack, Path(folder, "out"), chosen=chosen, quick=True)
    return peak_megabytes()


def _diagnosed(classifier, pack, folder, *, chosen, quick):
    """The study, as the command runs it."""
    return diagnose_images(
        LoadedModel(classifier, None),
        pack,
        out=folder,
        options=DiagnoseOptions(quick=quick),
        data_options=chosen,
        device="cpu",
    )


def _counted(classifier):
    """Counts the network's passes and their processor time."""
    spent = {"passes": 0, "cpu": 0.0}
    forward = classifier.network.forward

    def counted(images):
        began = time.process_time()
        found = forward(images)
        spent["cpu"] += time.process_time() - began
        spent["passes"] += len(images)
        return found

    classifier.network.forward = counted
    return spent


def _print_swapping():
    """Images per second of a training with swapped backgrounds over one without, backgrounds prepared."""
    data = load_dataset("planted-tints", part="train", options=LoadOptions(count=2000))
    rows = []
    for width in (8, 16):
        ratios, whole = [], []
        for number in range(_ROUNDS + 1):
            plain, swapped = (_epoch(data, width=width, swap=swap) for swap in (False, True))
            if number:
                ratios.append(plain[0] / swapped[0])
                whole.append(plain[1] / swapped[1])
        cells = [f"{statistics.median(some):.3f}" for some in (ratios, whole)]
        rows.append([f"small-resnet, width {width}, 32 x 32", *cells])
    print_table(
        f"background-swap over plain training, {machine()}",
        ["network and images", "images per second", "images per processor second"],
        rows,
    )


def _epoch(data, *, width, swap):
    """Seconds and processor seconds of two epochs, without what is prepared once."""
    recipe = changed(
        {
            "name": "bench",
            "epochs": 2,
            "batch_size": 50,
            "channels_last": True,
            "data": {"name": "planted-tints"},
            "model": {"name": "figureground:small-resnet"},
        }
    )
    network = NETWORKS["small-resnet"].factory(num_classes=10, width=width)
    batches = Batches(data.pixels, data.labels, 50, 0, channels_last=True, boxes=data.boxes)
    algorithms = [BackgroundSwapping(BackgroundSwapOptions(), 10)] if swap else []
    with tempfile.TemporaryDirectory() as folder:
        run = Run.start(
            recipe,
            network,
            batches,
            fabric=Fabric(accelerator="cpu", devices=1),
            folder=Path(folder),
            algorithms=algorithms,
        )
        began, cpu = time.perf_counter(), time.process_time()
        fit(run)
        return time.perf_counter() - began, time.process_time() - cpu


if __name__ == "__main__":
    main()
