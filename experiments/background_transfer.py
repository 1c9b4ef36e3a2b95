"""The background class where its source has it: a pretrained network, fine-tuned. Against what costs as much.

    python experiments/background_transfer.py --out runs/background-transfer --save

Expected, before any run with these seeds: see journal/2026-11-29-background-transfer.md.
"""

__all__ = ["main"]

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from arms import World, main

from figureground.data.loaders import load_dataset
from figureground.data.loaders.load_options import LoadOptions
from figureground.studies.background.options import PoolRequest
from figureground.studies.background.pool import make_background_pool


def pool(name: str, options: str = "") -> list[str]:
    return [f"algorithms=[{{background-class: {{pools: [{name}], ratio: 0.4{options}}}}}]"]


TEXTURES = "{name: dtd10, root: ROOT}"
SPINAL = "model.head=spinal"
MOBILENET = (
    "model={name: 'timm:mobilenetv2_100', weights: WEIGHTS/mobilenetv2_100_imagenet1001_trainable.safetensors,"
    " arguments: {num_classes: 1001, pad_type: same}, frozen: norms,"
    " preprocessing: {size: [96, 96], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}"
)


def arms(longer: int, *, own: bool) -> dict[str, list[str]]:
    """All ways to train; ``longer`` epochs cost as much as the backgrounds do."""
    more = {
        "background class: procedural": pool("OUT/pool-procedural/train"),
        "background class: textures, a tenth": [
            one.replace("0.4", "0.1") for one in pool(TEXTURES)
        ],
        "background class: textures, as many": [
            one.replace("0.4", "1.0") for one in pool(TEXTURES)
        ],
        "Spinal head": ["algorithms=[]", SPINAL],
        "Spinal head, background class: textures": [*pool(TEXTURES), SPINAL],
    }
    of_images = {"background class: outside the boxes": pool("OUT/pool-own/train")} if own else {}
    return {
        "plain": ["algorithms=[]"],
        "background class: textures": pool(TEXTURES),
        "plain, as long": ["algorithms=[]", f"epochs={longer}"],
        "background class: textures, from the first step": pool(TEXTURES, ", start: 0"),
        **of_images,
        "outlier exposure: textures": pool(TEXTURES, ", objective: uniform"),
        "label smoothing": ["algorithms=[]", "label_smoothing=0.1"],
        **(more if own else {}),
    }


ASKED = {"limit": 1200, "ood": ("textures", "mnist", "noise", "patch-shuffle"), "maps": 100}
TINY = ("data.limit=64", "epochs=1", "model.preprocessing.size=[64, 64]")


def tiny_imagenet(classes: int, epochs: int, longer: int, *, own: bool) -> World:
    split = "test_fraction: 0.5, val_fraction: 0.1, seed: 0"
    data = f"data={{name: boxes, root: OUT/tiny{classes}/boxes.csv, {split}}}"
    changes = (data, f"epochs={epochs}", MOBILENET)
    return World("fine-tune", arms(longer, own=own), changes, ASKED, TINY)


WORLDS = {
    "tiny10": tiny_imagenet(10, 10, 12, own=True),
    "tiny50": tiny_imagenet(50, 8, 10, own=False),
    "cifar10-jpeg": World(
        "fine-tune",
        arms(7, own=False),
        (
            "data={name: cifar10-jpeg, root: ROOT, limit: 1000, val_fraction: 0.02}",
            "epochs=6",
            MOBILENET,
        ),
        {**ASKED, "limit": 2000},
        TINY,
    ),
}


def write_images(packs: Path, out: Path, *, every: int, count: int) -> None:
    """The first ``count`` images of every so many-th class of Tiny ImageNet's training part, with ``boxes.csv``."""
    held = np.load(packs / "tiny_imagenet_train25k.npz")
    rows = []
    for label in range(0, len(held["wnid"]), every):
        folder = out / str(held["wnid"][label])
        folder.mkdir(parents=True, exist_ok=True)
        for index in np.flatnonzero(held["label"] == label)[:count].tolist():
            path = folder / f"{index}.jpg"
            path.write_bytes(held["data"][held["off"][index] : held["off"][index + 1]])
            rows.append([str(path.relative_to(out)), folder.name, *held["box"][index].tolist()])
    write_rows(out / "boxes.csv", rows)


def write_rows(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "x0", "y0", "x1", "y1"], *rows])


def prepare(given: argparse.Namespace, chosen: Sequence[str]) -> None:
    """Folders of images; backgrounds outside the boxes of those that are trained on; backgrounds made by rule."""
    for name, classes, count in (("tiny10", 10, 100), ("tiny50", 50, 46)):
        if name in chosen and not (given.out / name / "boxes.csv").exists():
            write_images(given.root, given.out / name, every=200 // classes, count=count)
    if given.tiny or "tiny10" not in chosen:
        return
    images = given.out / "tiny10"
    split = LoadOptions(seed=0, test_fraction=0.5, val_fraction=0.1)
    trained = load_dataset("boxes", images / "boxes.csv", part="train", options=split)
    names = {trained.images.file(row).name for row in range(len(trained))}
    with (images / "boxes.csv").open(newline="") as file:
        rows = [row for row in csv.reader(file) if Path(row[0]).name in names]
    write_rows(images / "trained.csv", rows)
    for name, request in (
        ("own", PoolRequest(sources=(f"outside-boxes:{images / 'trained.csv'}",))),
        ("procedural", PoolRequest(procedural=1000, monochrome=True)),
    ):
        if not (given.out / f"pool-{name}" / "record.json").exists():
            make_background_pool(request, given.out / f"pool-{name}")


if __name__ == "__main__":
    main("background-transfer", __doc__, WORLDS, seeds="10,11,12,13,14", prepare=prepare)
