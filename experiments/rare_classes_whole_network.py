"""Does background splitting find rare classes where the whole network is trained?

    python experiments/rare_classes_whole_network.py --out runs/rare-whole-network --save

MobileNetV2 that begins with ImageNet weights, which have seen these classes (leaked); other rare classes for each seed.

Expected, before any run with these seeds: see journal/2026-11-29-rare-classes-whole-network.md.
"""

__all__ = ["main"]

import argparse
import math
from pathlib import Path

import torch
from arms import World, main

from figureground.base.seeds import generator
from figureground.data import in_memory
from figureground.data.loaders import load_dataset
from figureground.data.rare import with_rare
from figureground.metrics.classification import class_scores, mean_average_precision
from figureground.models.predicting import predict
from figureground.studies.training.runs import load_run

CLASSES, FOUND = 200, 0.9
MODEL = (
    "model={name: 'timm:mobilenetv2_100', frozen: norms, "
    "weights: WEIGHTS/mobilenetv2_100_imagenet1001_trainable.safetensors, "
    "arguments: {num_classes: 1001, pad_type: same}, preprocessing: {size: [64, 64], resize: stretch, "
    "crop_fraction: 1.0, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}"
)
CLUSTERS = "pseudo: kmeans, clusters: 100"  # of the features before training


def splitting(options: str) -> list[str]:
    return [f"algorithms=[{{background-splitting: {{{options}}}}}]"]


ARMS = {
    "plain": ["algorithms=[]"],
    "splitting": splitting(CLUSTERS),
    "splitting, permuted": splitting(f"{CLUSTERS}, permuted: true"),
    "logit adjustment": splitting("aux_weight: 0, main: logit-adjusted"),
    "splitting and logit adjustment": splitting(f"{CLUSTERS}, main: logit-adjusted"),
}


def rare_classes(seed: int, count: int) -> list[int]:
    """Drawn by the seed."""
    return torch.randperm(CLASSES, generator=generator(seed))[:count].tolist()


def judge(folder: Path, _: int, given: argparse.Namespace) -> dict[str, float]:
    """On the official validation images, which no run has seen."""
    run = load_run(folder, "last")
    test = with_rare(load_dataset("tiny-imagenet", given.root, part="test"), run.recipe.data.rare)
    if given.tiny:
        order = test.labels.argsort(stable=True)  # rare ones first
        test = test.subset(order[:200])
    seen = in_memory(test, run.classifier.preprocessing)
    logits = predict(run.classifier, seen.pixels, batch_size=250)
    rare = len(run.recipe.data.rare)
    scores = class_scores(logits, "softmax")
    spent = [labels_until_found(scores[:, one], seen.labels == one) for one in range(rare)]
    return {
        "mean AP ↑": float(
            mean_average_precision(logits, seen.labels, classes=rare, score="softmax")
        ),
        "mean AP by logit ↑": float(mean_average_precision(logits, seen.labels, classes=rare)),
        "labels until 90 % are found ↓": sum(spent) / rare,
        "rare test images of a class": float((seen.labels < rare).sum()) / rare,
    }


def labels_until_found(scores: torch.Tensor, wanted: torch.Tensor) -> int:
    """Images looked at from the top until nine tenths of the wanted ones are among them."""
    ranked = wanted[scores.argsort(descending=True, stable=True)]
    places = ranked.nonzero()[:, 0] + 1
    return int(places[math.ceil(FOUND * len(places)) - 1])


def world(count: int) -> World:
    changes = (
        *("data={name: tiny-imagenet, root: ROOT, val_fraction: 0.02, limit: 5000}", MODEL),
        *(
            "epochs=2",
            "batch_size=32",
            "precision=32-true",
            "augmentation={crop_padding: 8, flip: true}",
        ),
        "optimiser={kind: adamw, lr: 0.0001, head_lr: 0.003, weight_decay: 0.05, decay: weights, clip: 1}",
    )
    return World(
        "rare-class",
        ARMS,
        changes,
        tiny=("data.limit=400", "epochs=1"),
        judge=judge,
        by_seed=lambda seed: [f"data.rare={rare_classes(seed, count)}"],
    )


WORLDS = {"1-rare": world(1), "5-rare": world(5)}


if __name__ == "__main__":
    main("rare-classes-whole-network", __doc__, WORLDS)
