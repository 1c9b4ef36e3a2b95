"""Do students learn more from a teacher of more conditional mutual information, also of a class that they never saw?

    python experiments/distillation_omitted.py --out runs/distillation-omitted --save

The world ``teachers`` comes first: the other worlds' students learn from its runs, each from those of its own seed.
``--worlds teachers,omitted --tiny`` is a look at both.

Expected, before any run with these seeds: see journal/2026-11-29-distillation-omitted.md.
"""

__all__ = ["main"]

import argparse
from pathlib import Path

from arms import World, main

from figureground.data import in_memory
from figureground.data.loaders import load_dataset
from figureground.data.splits import random_subset
from figureground.metrics.classification import (
    average_precision,
    best_temperature,
    class_scores,
    omitted_class_report,
)
from figureground.metrics.information import information
from figureground.models.predicting import predict
from figureground.studies.training.runs import load_run

OMITTED = 9  # the source omits it first
SGD = "kind: sgd, momentum: 0.9, weight_decay: 0.0005"
IMAGES = ("data.root=ROOT", "data.val_fraction=0.01")
FEW = ("data.limit=200", "epochs=1")
FIRST = "model={name: 'figureground:cifar-resnet56', weights: WEIGHTS/resnet56_cifar10.safetensors}"
ON = "model={name: PLACE/mll-SEED, checkpoint: last}"


def teacher(model: str, weight: float, epochs: int) -> list[str]:
    return [model, f"epochs={epochs}", f"algorithms=[{{mcmi: {{weight: {weight}}}}}]"]


def taught(name: str, temperature: float = 1) -> list[str]:
    """By the seed's own teacher; its logits are made once, since the images never change."""
    place = f"{{name: PLACE/../teachers/{name}-SEED, checkpoint: last}}"
    more = f"teacher_temperature: {temperature}, cache_logits: true"
    return [f"algorithms=[{{distillation: {{teacher: {place}, loss: kd, {more}}}}}]"]


TEACHERS = {
    "mll": teacher(FIRST, 0, 1),
    "mcmi 0": teacher(ON, 0, 3),
    "mcmi 0.25": teacher(ON, 0.25, 3),
}
STUDENTS = {
    "mll": taught("mll"),
    "no teacher": ["algorithms=[]"],
    "mcmi 0": taught("mcmi-0"),
    "mcmi 0.25": taught("mcmi-0-25"),
    "mll at temperature 2": taught("mll", 2),
}


def judge(folder: Path, _: int, given: argparse.Namespace) -> dict[str, float]:
    """On 4,000 test images, of all ten classes."""
    run, test = load_run(folder, "last"), load_dataset("cifar10-jpeg", given.root, part="test")
    test = test.subset(random_subset(len(test), 100 if given.tiny else 4000, seed=0))
    seen = in_memory(test, run.classifier.preprocessing)
    logits = predict(run.classifier, seen.pixels, batch_size=500)
    told = omitted_class_report(logits, seen.labels, [OMITTED])
    about = information(logits, seen.labels)
    return {
        "accuracy ↑": float(about.accuracy),
        "recall of the omitted class ↑": float(told.recall),
        "AP of the omitted class ↑": float(
            average_precision(class_scores(logits, "softmax")[:, OMITTED], seen.labels == OMITTED)
        ),
        "accuracy on kept classes ↑": float(told.kept_accuracy),
        "validation accuracy ↑": run.record["last"]["accuracy"],
        "CMI, nats": float(about.cmi),
        "entropy, nats": float(about.h_yhat_given_x),
        "best temperature": float(best_temperature(logits, seen.labels)),
    }


def students(images: int, epochs: int, *more: str) -> World:
    """Recipes are alike but for images and epochs."""
    changes = (
        *(*IMAGES, *more, f"data.limit={images}", f"epochs={epochs}"),
        *("augmentation={}", "precision=32-true"),
        *(f"optimiser={{{SGD}, lr: 0.1}}", "schedule={kind: one-cycle, warm_up: 0.2}"),
    )
    return World("distill", STUDENTS, changes, tiny=FEW, judge=judge)


WORLDS = {
    "teachers": World(
        "mcmi-teacher",
        TEACHERS,
        (*IMAGES, "data.limit=5000", f"optimiser={{{SGD}, lr: 0.05}}"),
        tiny=FEW,
        judge=judge,
    ),
    "omitted": students(4500, 14, f"data.omit=[{OMITTED}]"),
    "few": students(1000, 30),
    "all": students(5000, 6),
}


if __name__ == "__main__":
    main("distillation-omitted", __doc__, WORLDS)
