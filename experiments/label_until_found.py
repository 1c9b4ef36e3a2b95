"""How many labels until nine of ten rare images are found? Ranked again after every sheet, ranked once, and by chance.

World: a folder of 2,500 images of 64 pixels from the training part of Tiny ImageNet, 25 of one class (1 %), 2,475 of
the other 199. Known at the start, and not in the folder: 3 images of the class, 30 of others. Somebody looks at the
images of the folder in the order of a ranking and marks each; after a sheet of ``--sheet`` images the last layer is
fitted anew to all that is marked (the fit of the recipe ``last-layer``) and the rest is ranked again. Labels spent:
images looked at until the 23rd of the 25 is seen.

arms:      again      ranked again after every sheet
           once       the ranking of the start, looked through to the end (control: no retraining)
           nearest    ranked again by the cosine to the mean of the images found so far (control: no layer is trained)
           shuffled   as ``again``, with the marks of each sheet permuted among its images (control: must not help)
           chance     a random order; exact, no run: r (N + 1) / (K + 1) labels for the r-th of K among N
features:  imagenet   MobileNetV2 before its last layer, 128 pixels. Leaked: its 1,000 classes hold these
           thumbnail  the image at 8×8 pixels (control: features that know nothing)
command:   python experiments/label_until_found.py --out runs/label
           (the journal has the arms that were run)
hardware:  two CPU cores; two minutes for the features, then a fraction of a second a fit
expected:  journal/2026-11-29-label-until-found.md, written before the run
"""

__all__ = ["main"]

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from figureground.base.record import append_line, write_json
from figureground.base.seeds import generator
from figureground.data import in_memory, shared_folder
from figureground.data.loaders.packed_sets import pack
from figureground.metrics.intervals import paired_difference
from figureground.models import load_classifier
from figureground.training.algorithms.last_layer import fit_last_layer
from figureground.training.last_linear import outputs_and_features

POOL, POSITIVES, WANTED = 2_500, 25, 23
START_HITS, START_MISSES = 3, 30
OTHERS = 4_000  # images of any class from which the others are drawn
ARMS = ("again", "once", "nearest", "shuffled")
FEATURES = ("imagenet", "thumbnail")
TITLES = {
    "again": "trained and ranked again",
    "once": "ranked once",
    "nearest": "ranked again by the mean of the hits",
}


def main() -> None:
    """Run what is not run yet, print the tables and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--classes", type=int, default=10, help="so many, drawn by seed 0")
    parser.add_argument("--seeds", type=int, default=3, help="of folder and start, for each class")
    parser.add_argument("--sheet", type=int, default=25, help="images marked between two fits")
    parser.add_argument("--features", default=",".join(FEATURES))
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--size", type=int, default=128, help="pixels that MobileNetV2 is shown")
    parser.add_argument("--picture", type=Path, help="a WebP file of the curves")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    classes = torch.randperm(200, generator=generator(0))[: given.classes].tolist()
    held = _features(classes, given)
    log = given.out / "runs.jsonl"
    done = {_key(line): line for line in _lines(log)}
    asked = [
        {"features": f, "arm": arm, "class": c, "seed": s, "sheet": given.sheet}
        for f, arm in product(given.features.split(","), given.arms.split(","))
        for c, s in product(classes, range(given.seeds))
    ]
    for about in asked:
        if _key(about) not in done:
            done[_key(about)] = about | {"places": _places(held, about)}
            append_line(log, done[_key(about)])
    runs = [done[_key(about)] for about in asked]
    print(_tables(runs), flush=True)
    if given.picture is not None:
        _draw([run for run in runs if run["features"] == "imagenet"], given.picture)
    options = {key: str(value) for key, value in vars(given).items()}
    write_json(given.out / "record.json", {"options": options, "runs": len(done)})


def _places(held: dict[str, Tensor], about: dict) -> list[int]:
    """At which label each of the first 23 images was seen, from 1, in order."""
    pool, start, is_hit = _world(held["labels"], about["class"], about["seed"])
    x = held[about["features"]]
    rows = torch.cat([start, pool])
    truth = is_hit[rows].long()
    told = truth.clone()  # what the marks say
    marked = torch.arange(len(start))
    waiting = torch.arange(len(start), len(rows))
    draws, places = generator(about["seed"]), []
    sheet = len(waiting) if about["arm"] == "once" else about["sheet"]
    while len(places) < WANTED:
        scores = _scores(x[rows], marked, waiting, told=told, nearest=about["arm"] == "nearest")
        order = waiting[scores.argsort(descending=True, stable=True)]
        looked, waiting = order[:sheet], order[sheet:]
        seen = len(marked) - len(start)
        places += (seen + 1 + truth[looked].nonzero()[:, 0]).tolist()
        if about["arm"] == "shuffled":
            told[looked] = truth[looked][torch.randperm(len(looked), generator=draws)]
        marked = torch.cat([marked, looked])
    return places[:WANTED]


def _scores(x: Tensor, marked: Tensor, waiting: Tensor, *, told: Tensor, nearest: bool) -> Tensor:
    """Of the images that wait: the log odds of the fitted layer, or the cosine to the mean of the hits."""
    if nearest:
        unit = torch.nn.functional.normalize(x)
        return unit[waiting] @ unit[marked[told[marked] == 1]].mean(0)
    layer = fit_last_layer(x[marked], told[marked], outputs=2)
    with torch.no_grad():
        logits = layer(x[waiting])
    return logits[:, 1] - logits[:, 0]


def _world(labels: Tensor, sought: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the folder and of the start, which share none; and what each row shows."""
    is_hit = labels == sought
    draws = generator(1_000 * sought + seed)
    hits, others = is_hit.nonzero()[:, 0], (~is_hit).nonzero()[:, 0]
    hits = hits[torch.randperm(len(hits), generator=draws)]
    others = others[torch.randperm(len(others), generator=draws)]
    split = POOL - POSITIVES
    pool = torch.cat([hits[:POSITIVES], others[:split]])
    start = torch.cat([
        hits[POSITIVES:][:START_HITS], others[split:][:START_MISSES]
    ])  # fmt: skip
    return pool[torch.randperm(POOL, generator=draws)], start, is_hit


def _features(classes: list[int], given: argparse.Namespace) -> dict[str, Tensor]:
    """Features and labels of the images of these classes and of as many others as are needed, made once."""
    kept = given.out / f"features-{given.size}-{given.classes}.npz"
    if not kept.exists():
        shared = shared_folder()
        if shared is None:
            raise SystemExit("the shared data is absent (FIGUREGROUND_SHARED)")
        data = pack(shared / "packs" / "tiny_imagenet_train25k.npz", train=None)
        sought = torch.isin(data.labels, torch.tensor(classes))
        others = (~sought).nonzero()[:, 0]
        others = others[torch.randperm(len(others), generator=generator(0))[:OTHERS]]
        rows = torch.cat([sought.nonzero()[:, 0], others]).sort().values
        found = [_asked(data.subset(part), given.size, shared) for part in rows.split(256)]
        np.savez(
            kept,
            labels=data.labels[rows].numpy(),
            imagenet=torch.cat([one for one, _ in found]).numpy(),
            thumbnail=torch.cat([one for _, one in found]).numpy(),
        )
    with np.load(kept) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def _asked(data, size: int, shared: Path) -> tuple[Tensor, Tensor]:
    """Both kinds of features of a few hundred images."""
    network = load_classifier(
        "timm:mobilenetv2_100",
        weights=shared / "weights" / "mobilenetv2_100_imagenet1001.safetensors",
        arguments={"num_classes": 1001, "pad_type": "same"},
        preprocessing={
            "size": size,
            "resize": "stretch",
            "crop_fraction": 1.0,
            "mean": 0.5,
            "std": 0.5,
        },
    )
    pixels = in_memory(data, (size, size)).pixels.float() / 255
    small = torch.nn.functional.adaptive_avg_pool2d(pixels, 8).flatten(1)
    with torch.inference_mode():
        return outputs_and_features(network, pixels)[1], small


def _tables(runs: list[dict]) -> str:
    """Labels spent, as Markdown; intervals pair classes, seeds averaged."""
    chance = WANTED * (POOL + 1) / (POSITIVES + 1)
    lines = []
    for features in dict.fromkeys(run["features"] for run in runs):
        mine = [run for run in runs if run["features"] == features]
        lines += [
            f"\n### Features {features}, sheets of {mine[0]['sheet']}; chance {chance:.0f}\n",
            "| arm | labels spent: mean | median | least | most | minus once, paired 95 % |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [_line(mine, arm) for arm in dict.fromkeys(run["arm"] for run in mine)]
    return "\n".join(lines)


def _line(runs: list[dict], arm: str) -> str:
    """A row of the table."""
    spent = torch.tensor([run["places"][WANTED - 1] for run in runs if run["arm"] == arm]).double()
    cells = [
        arm,
        f"{spent.mean():.0f}",
        f"{spent.quantile(0.5):.0f}",
        f"{spent.min():.0f}",
        f"{spent.max():.0f}",
    ]
    gain = ""
    if any(run["arm"] == "once" for run in runs):
        one = paired_difference(_by_class(runs, arm), _by_class(runs, "once"), seed=0)
        gain = f"{one.mean:+.0f} [{one.low:+.0f}, {one.high:+.0f}]"
    return "| " + " | ".join([*cells, gain]) + " |"


def _by_class(runs: list[dict], arm: str) -> Tensor:
    """Labels spent, a mean over seeds for each class."""
    mine = [run for run in runs if run["arm"] == arm]
    found = [
        [run["places"][WANTED - 1] for run in mine if run["class"] == one]
        for one in dict.fromkeys(run["class"] for run in mine)
    ]
    return torch.tensor([sum(each) / len(each) for each in found])


def _draw(runs: list[dict], target: Path) -> None:
    """Share found against labels spent: the median over all runs, and chance."""
    import matplotlib as mpl  # noqa: PLC0415 - only for the picture

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(5.2, 3.2), dpi=110, layout="constrained")
    seen = np.arange(1, WANTED + 1)
    for arm in dict.fromkeys(run["arm"] for run in runs):
        places = [run["places"] for run in runs if run["arm"] == arm]
        axes.plot(np.median(places, axis=0), 100 * seen / POSITIVES, label=TITLES.get(arm, arm))
    chance = seen * (POOL + 1) / (POSITIVES + 1)
    axes.plot(chance, 100 * seen / POSITIVES, "--", color="grey", label="random order")
    ticks = [1, 10, 100, 1000, 2500]
    axes.set(xscale="log", xlim=(1, POOL), ylim=(0, 92))
    axes.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks])
    axes.set(xlabel="labels spent, median", ylabel="found, % of the 25 images sought")
    axes.legend(frameon=False)
    figure.savefig(target, pil_kwargs={"quality": 85})


def _key(line: dict) -> tuple:
    return tuple(line[name] for name in ("features", "arm", "class", "seed", "sheet"))


def _lines(log: Path) -> list[dict]:
    """Finished runs."""
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line]


if __name__ == "__main__":
    main()
