"""What holds the background class back, and does it help to let the known classes be learnt first?

    python experiments/background_start.py --out runs/background-start --save
    python experiments/background_start.py --out runs/background-start --worlds lenet --look-inside

Expected, before any run with these seeds: see journal/2026-11-29-background-start.md.
"""

__all__ = ["main"]

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from arms import World, main

from figureground.data.loaders import load_dataset
from figureground.data.loaders.load_options import LoadOptions
from figureground.data.one_size import in_memory
from figureground.training.trained import load_trained

POOL = "pools: [{name: cluttered-digits, background: true}], ratio: 0.25"
TEXTURES = "pools: [{name: dtd10, root: ROOT}], ratio: 0.42"
STEPS = (20, 40, 60, 80, 100, 140, 180, 240)


def with_backgrounds(pool: str, options: str) -> list[str]:
    return [f"algorithms=[{{background-class: {{{pool}, {options}}}}}]"]


def arms(pool: str) -> dict[str, list[str]]:
    return {
        "plain": ["algorithms=[]"],
        "from the first step": with_backgrounds(pool, "start: 0"),
        "from .3 of the run": with_backgrounds(pool, "start: 0.3"),
        "from .5 of the run": with_backgrounds(pool, "start: 0.5"),
        "outlier exposure from the first step": with_backgrounds(pool, "start: 0, objective: uniform"),
    }  # fmt: skip


def four(pool: str) -> dict[str, list[str]]:
    return {arm: changes for arm, changes in arms(pool).items() if "outlier" not in arm}


DIGITS = {"limit": 2000, "ood": ("background", "noise", "textures")}
FEW = ("data.count=300", "epochs=1")
RESNET8 = "model={name: 'figureground:cifar-resnet8', arguments: {channels: 1}, preprocessing: {size: [48, 48]}}"
SGD = "optimiser={kind: sgd, lr: 0.5, momentum: 0.9, weight_decay: 0.0001}"
WORLDS = {
    "lenet": World(
        "background-class",
        arms(POOL),
        ("data.count=3000", f"keep_steps={list(STEPS)}"),
        DIGITS,
        FEW,
    ),
    "lenet-12-epochs": World(
        "background-class", four(POOL), ("data.count=3000", "epochs=12"), DIGITS, FEW
    ),
    "lenet-sgd": World(
        "background-class", four(POOL), ("data.count=3000", "epochs=12", SGD), DIGITS, FEW
    ),
    "resnet8-digits": World(
        "background-class", four(POOL), ("data.count=3000", RESNET8), DIGITS, FEW
    ),
    "resnet8-cifar": World(
        "background-class-cifar10",
        four(TEXTURES),
        (
            "epochs=15",
            "data.limit=5000",
            "data.val_fraction=0.02",
            "data.root=ROOT",
            "model.name=figureground:cifar-resnet8",
        ),
        {"limit": 5000, "ood": ("textures", "noise", "tiny-imagenet", "patch-shuffle")},
        ("data.limit=200", "epochs=1"),
    ),
}


def look_inside(place: Path, seed: int) -> None:
    """What the two terms pull at, and what the features hold, along the run: on test images."""
    options = LoadOptions(seed=seed, count=800, background=True)
    data = in_memory(load_dataset("cluttered-digits", part="test", options=options), (48, 48))
    order = data.labels.argsort(stable=True)  # backgrounds have the last label
    known = int((data.labels < 10).sum())
    images, labels = data.images[order].float() / 255, data.labels[order][:known]
    titles = (
        "arm", "step", "cross-entropy", "discriminator", "its pull / that of cross-entropy", "dead units",
        "first component", "cosine of class rows",
    )  # fmt: skip
    print(f"| {' | '.join(titles)} |")
    print("| --- |" + " ---: |" * 7)
    for arm in ("plain", "from-the-first-step", "from-3-of-the-run", "from-5-of-the-run"):
        for step in STEPS:
            network = load_trained(place / f"{arm}-{seed}", f"step-{step}").network.eval()
            print(f"| {arm} | {step} | " + " | ".join(_inside(network, images, labels)) + " |")  # fmt: skip


def _inside(network, images, labels):
    """A row of the table; images without a label are backgrounds."""
    kept = {}
    network.classifier.register_forward_pre_hook(lambda _, given: kept.update(features=given[0]))
    outputs = network(images)
    features, known = kept["features"], len(labels)
    every = outputs[:, :10].logsumexp(1)
    entropy = F.cross_entropy(outputs[:known, :10], labels)
    cells = [f"{entropy:.2f}"]
    if outputs.shape[1] > 10:
        margin = outputs[:, 10] - every
        term = torch.cat([F.softplus(margin[:known]), F.softplus(-margin[known:])]).mean()
        share = entropy * known / len(features)
        first, second = (
            torch.autograd.grad(one, features, retain_graph=True)[0].norm() for one in (term, share)
        )
        cells += [f"{term:.3f}", f"{first / second:.2f}"]
    else:
        cells += ["–", "–"]
    of_digits = features[:known].detach()
    spread = torch.linalg.svdvals(of_digits - of_digits.mean(0)).square()
    rows = F.normalize(network.classifier.weight.detach()[:10], dim=1)
    alike = ((rows @ rows.T).sum() - 10) / 90
    dead = (of_digits.amax(0) == 0).float().mean()
    return [*cells, f"{dead:.2f}", f"{spread[0] / spread.sum():.2f}", f"{alike:.2f}"]


if __name__ == "__main__":
    if "--look-inside" in sys.argv:
        sys.argv.remove("--look-inside")
        look_inside(Path(sys.argv[sys.argv.index("--out") + 1]) / "lenet", 10)
    else:
        main("background-start", __doc__, WORLDS, seeds="10,11,12,13,14")
