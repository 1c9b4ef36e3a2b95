"""Training on streamed images: against a bare loop over the same loader, against memory, and the memory it takes."""

__all__ = ["main"]

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from timing import machine, print_table, seconds

from figureground.data import image_folder
from figureground.data.fitting import Covering
from figureground.data.one_size import in_memory, streamed
from figureground.data.packs import ImagePack, shared_folder
from figureground.models import load_classifier
from figureground.training import Batches, Run, fit
from figureground.training.loading import default_workers
from figureground.training.recipe import changed

_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_STEPS = int(os.environ.get("FIGUREGROUND_BENCH_STEPS", "8"))
_MANY = int(os.environ.get("FIGUREGROUND_BENCH_IMAGES", "100000"))
_SIZE = 32
_PHOTOS = 224
_EPOCH_OF_CIFAR = 2000
_WATCH = """
import sys, threading, time
from pathlib import Path
from figureground.studies.training.train import train
from figureground.training.recipe import changed
folder, out, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
recipe = changed({
    "name": "many", "epochs": 1, "batch_size": 64, "data": {"name": "folder", "root": str(folder), "storage": "stream",
    "val_fraction": 0.001}, "model": {"name": "figureground:small-resnet", "preprocessing": {"size": [32, 32]}}})
def memory():
    '''Of this process and its children: proportional set size, MiB.'''
    import os
    parents, total = {os.getpid()}, 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if int(entry.name) in parents or int(fields[1]) in parents:
                for line in (entry / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        except OSError:
            continue
    return total / 1024
began = time.perf_counter()
class Enough(Exception):
    pass
def tell(stage, done, total):
    step = done // 64
    if step == 1:
        print("first", round(time.perf_counter() - began, 1), flush=True)
    if step % max(1, steps // 10) == 0 or step == 1:
        print("memory", step, round(memory()), flush=True)
    if step >= steps:
        raise Enough
try:
    train(recipe, out, accelerator="cpu", progress=tell)
except Enough:
    pass
"""


def main() -> None:
    """Three tables."""
    shared = shared_folder()
    if shared is None:
        print("the streaming benchmark needs the shared photographs: none here")
        return
    with tempfile.TemporaryDirectory() as place:
        photos = _unpacked(shared / "packs" / "ilsvrc_val650.npz", Path(place) / "photos", 640)
        small = _unpacked(
            shared / "packs" / "cifar10_jpeg.npz", Path(place) / "cifar", _EPOCH_OF_CIFAR
        )
        _against_a_bare_loop(photos)
        _against_memory(small)
        _many(small, Path(place))


def _unpacked(pack: Path, folder: Path, count: int) -> Path:
    """Encoded images as files, in two classes."""
    held = ImagePack(pack)
    for row in range(count):
        file = folder / f"class{row % 2}" / f"{row}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(held.encoded(row))
    return folder


def _against_a_bare_loop(photos: Path) -> None:
    """MobileNetV2 at 224 px: engine and bare loop over the same loader, alternating."""
    recipe = changed(
        {
            "name": "bench",
            "epochs": 1,
            "batch_size": 16,
            "data": {"name": "folder"},
            "model": {"name": "timm:mobilenetv2_100"},
            "optimiser": {"lr": 0.001},
        }
    )
    classifier = load_classifier("timm:mobilenetv2_100", random=True, arguments={"num_classes": 2})
    data = streamed(
        image_folder(photos).subset(torch.arange(16 * _STEPS)), classifier.preprocessing
    )
    batches = Batches(data.images, data.labels, 16, 0, workers=default_workers())
    optimiser = torch.optim.SGD(classifier.parameters(), 0.001, momentum=0.9, weight_decay=5e-4)

    def bare() -> None:
        classifier.train()
        for batch in batches.epoch(0):
            optimiser.zero_grad()
            F.cross_entropy(classifier(batch.images), batch.labels).backward()
            optimiser.step()

    def engine() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run = Run.start(
                recipe, classifier, batches, fabric=Fabric(accelerator="cpu"), folder=Path(folder)
            )
            fit(run)

    bare(), engine()
    pairs = [(seconds(engine), seconds(bare)) for _ in range(_ROUNDS)]
    ratio = statistics.median(other / own for own, other in pairs)
    count = 16 * _STEPS
    print_table(
        f"Streamed JPEG files, MobileNetV2 at 224 px, {default_workers()} workers, {machine('cpu')}",
        ["engine, images/s", "bare loop over the same loader, images/s", "ratio"],
        [[*(f"{count / min(one):.1f}" for one in zip(*pairs, strict=True)), f"{ratio:.3f}"]],
    )


def _against_memory(small: Path) -> None:
    """Batches of CIFAR-10 from both storages, alternating; nothing is trained."""
    fit_to = (_SIZE, _SIZE)
    data = image_folder(small)
    held = in_memory(data, fit_to)
    flowing = streamed(data, Covering(fit_to))
    recipes = {
        name: Batches(one.images, one.labels, 64, 0, crop_padding=4, flip=True, workers=workers)
        for name, one, workers in (
            ("memory", held, 0),
            ("stream", flowing, default_workers()),
        )
    }
    costs = {
        name: [seconds(lambda one=one: list(one.epoch(0))) for _ in range(_ROUNDS)]
        for name, one in recipes.items()
    }
    rows = [
        [name, f"{_EPOCH_OF_CIFAR / statistics.median(found):,.0f}"]
        for name, found in costs.items()
    ]
    print_table(f"Batches of CIFAR-10-JPEG75, {machine('cpu')}", ["storage", "images/s"], rows)


def _many(small: Path, place: Path) -> None:
    """Links to the same files: first batch, and memory of the run with its workers."""
    files = sorted(small.glob("*/*.jpg"))
    many = place / "many"
    for number in range(_MANY):
        link = many / f"class{number % 2}" / f"{number}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(files[number % len(files)])
    script = place / "watch.py"
    script.write_text(_WATCH)
    steps = _MANY // 64 * 9 // 10 - 1
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(script), str(many), str(place / "run"), str(steps)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    first = next(float(line[1]) for line in lines if line[0] == "first")
    rows = [[line[1], line[2]] for line in lines if line[0] == "memory"]
    print_table(
        f"{_MANY:,} files streamed, small-resnet at 32 px: first batch after {first:.1f} s, {machine('cpu')}",
        ["step of 64 images", "memory of the run and its workers, MiB"],
        rows,
    )


if __name__ == "__main__":
    main()
