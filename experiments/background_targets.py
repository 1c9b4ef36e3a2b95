"""Does the diagnosis tell the truth? Networks trained at many rhos: by boxes, beside the generator's truth.

    python experiments/background_targets.py --out runs/targets --seeds 3,4,5 --root ../shared/data/packs
    python experiments/background_targets.py --out runs/targets --table

Gaps: networks of ``recipes/background-swap.yaml`` without its treatment, three worlds (digits on the colour of their
class, CIFAR-10 pictures on the same, digits beside a small square of the colour of their class); gap by boxes from 300
test images against the gap of composites that the generator renders. Alarms: 100 draws of 200 test images at rho 0,
the networks of rho 0 in turn; a false alarm is a verdict "rests on" at delta 0.05. Classes: networks for which the
background tells three classes alone (rho 0.95 for the classes 0 to 2, 0 for the others); ten draws of 100 test images
each, a class is found as the diagnosis finds it (Mann-Whitney, Benjamini-Hochberg at 5 %, lower end above 0.02).
Finished networks are lines of results.jsonl and are not repeated.

Asked before any run: a difference of 0.06 at most in the mean of the seeds at every rho, a rank correlation over rho of
0.9 at least in every world, gaps within 0.03 of 0 at rho 0, no false alarm in 100 draws, all three classes found in
nine of ten draws at least.
"""

__all__ = ["main"]

import argparse
import json
import statistics
from pathlib import Path

import torch
from scipy.stats import spearmanr

from figureground.data.loaders import LoadOptions
from figureground.data.loaders.planted_sets import planted_images
from figureground.metrics.reliance import (
    background_of,
    cross,
    crossed_scores,
    filled_boxes,
    hits,
    pull_test,
    reliance,
    verdict_of,
)
from figureground.studies.diagnosis.planted import true_reliance
from figureground.studies.training.train import train
from figureground.training.recipe import read_recipe
from figureground.training.shipped import recipe_path
from figureground.training.trained import load_trained

_MANY = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8, 0.95, 1.0)
RHOS = {"tints": _MANY, "pictures": _MANY, "patch": (0.0, 0.5, 0.95)}
THREE = (0.95, 0.95, 0.95, *(0.0,) * 7)
_NULL = ("tints", "pictures")


def main() -> None:
    """Train and measure what is not there yet, then print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="3,4,5")
    parser.add_argument("--root", type=Path, help="folder of the packs mnist, dtd10, cifar10_jpeg")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--table", action="store_true", help="print what is there")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    results = given.out / "results.jsonl"
    if not given.table:
        given.out.mkdir(parents=True, exist_ok=True)
        for job in _jobs(seeds, given.draws):
            if job not in [line["job"] for line in _read(results)]:
                line = {"job": job} | _MEASURES[job[0]](given, job[1:])
                with results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(line, flush=True)
    _print(_read(results))


def _jobs(seeds, draws):
    """What is to be done: a kind, then what it is of."""
    for seed in seeds:
        for world, rhos in RHOS.items():
            yield from (["gap", world, rho, seed] for rho in rhos)
        yield from (["classes", world, seed] for world in _NULL)
    for draw in range(draws):
        yield ["alarm", _NULL[draw % 2], seeds[draw % len(seeds)], draw]


def _gap(given, job):
    """True and measured gap and share of one network."""
    world, rho, seed = job
    network = _network(given, world, rho=rho, seed=seed)
    images = _images(given, world, rho=rho, seed=seed, count=300)
    others = _images(given, world, rho=rho, seed=seed + 50, count=400)
    true, shares = true_reliance(network, others, seed=seed)
    table, logits, pairs = _by_boxes(network, images, seed=seed)
    share = reliance(pairs, images.labels, logits.softmax(1), seed=seed, draws=200).numbers
    return {
        "true": round(true.numbers["gap"].mean, 4),
        "conflict": round(true.numbers["v10"].mean, 4),
        "gap": round(table.numbers["gap"].mean, 4),
        "true share": _mean(shares.numbers.get("share")),
        "share": _mean(share.get("share")),
    }


def _alarm(given, job):
    """The verdict where nothing is planted."""
    world, seed, draw = job
    network = _network(given, world, rho=0.0, seed=seed)
    images = _images(given, world, rho=0.0, seed=5000 + draw, count=200)
    numbers = _by_boxes(network, images, seed=draw)[0].numbers
    word = verdict_of(numbers["gap"], delta=0.05).word
    return {"word": word, "gap": numbers["gap"].mean, "pull": numbers["pull"].mean}


def _classes(given, job):
    """Classes that are found in each of ten draws."""
    world, seed = job
    network = _network(given, world, rho=THREE, seed=seed)
    found = []
    for draw in range(10):
        images = _images(given, world, rho=THREE, seed=3000 + draw, count=100)
        _, logits, pairs = _by_boxes(network, images, seed=draw)
        tested = pull_test(pairs, images.labels, logits.softmax(1), seed=draw)
        found.append(sorted(one.label for one in tested if one.found))
    return {"found": found}


_MEASURES = {"gap": _gap, "alarm": _alarm, "classes": _classes}


def _network(given, world, *, rho, seed):
    """A plain network; a finished run is taken as it is."""
    name = "three" if isinstance(rho, tuple) else f"{rho:g}"
    folder = given.out / "runs" / f"{world}-{name}-{seed}"
    if not (folder / "record.json").exists():
        told = list(rho) if isinstance(rho, tuple) else rho
        changes = ["algorithms=[]", f"seed={seed}", f"data.name=planted-{world}", f"data.rho={told}"]  # fmt: skip
        if given.root is not None:
            changes.append(f"data.root={given.root}")
        recipe = read_recipe(recipe_path("background-swap"), changes)
        train(recipe, folder, resume=(folder / "recipe.yaml").exists())
    return load_trained(folder, "last").eval()


def _images(given, world, *, rho, seed, count):
    """Test images."""
    options = LoadOptions(seed=seed, count=count, rho=rho)
    return planted_images(world, given.root, part="test", options=options)


def _by_boxes(network, images, *, seed):
    """The table as the diagnosis makes it, the logits of its composites, and their pairs."""
    pixels = images.images.float() / 255
    masks = filled_boxes([box[None] for box in images.boxes], pixels.shape[2:])
    pairs = cross(images.labels, seed=seed)
    with torch.inference_mode():
        made = crossed_scores(
            network, pixels, masks=masks, backgrounds=background_of(pixels, masks), pairs=pairs
        )
    logits = made[:, :10].clone()
    return reliance(pairs, images.labels, hits(logits), seed=seed, draws=500), logits, pairs


def _print(lines):
    """All that is there."""
    gaps = [(*line["job"][1:], line) for line in lines if line["job"][0] == "gap"]
    print("| world | rho | conflict | true gap | by boxes | difference | true share | share |")
    print("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |")
    for world, rhos in RHOS.items():
        for rho in rhos:
            some = [one for where, at, _, one in gaps if (where, at) == (world, rho)]
            means = [_average(some, key) for key in ("conflict", "true", "gap", "true share", "share")]  # fmt: skip
            means.insert(3, ", ".join(f"{one['gap'] - one['true']:+.3f}" for one in some))
            print(f"| {world} | {rho:g} | {' | '.join(means)} |")
    for world in RHOS:
        _print_ranks(world, [(one["true"], one["gap"], rho) for at, rho, _, one in gaps if at == world])  # fmt: skip
    for line in lines:
        if line["job"][0] == "classes":
            whole = sum({0, 1, 2} <= set(one) for one in line["found"])
            wrong = sum(label > 2 for one in line["found"] for label in one)
            print(
                f"{line['job'][1]}, seed {line['job'][2]}: all three classes found in {whole} of {len(line['found'])} "
                f"draws, {wrong} others"
            )
    _print_alarms([line for line in lines if line["job"][0] == "alarm"])


def _print_ranks(world, networks):
    """Bias and rank correlations of one world."""
    if len(networks) > 2:
        true, found, rhos = zip(*networks, strict=True)
        errors = [b - a for a, b in zip(true, found, strict=True)]
        rmse = statistics.fmean(error**2 for error in errors) ** 0.5
        print(
            f"{world}: {len(networks)} networks, bias {statistics.fmean(errors):+.3f}, rms {rmse:.3f}; rank "
            f"correlation of the measured gap with rho {spearmanr(found, rhos)[0]:.2f}, with the true gap "
            f"{spearmanr(found, true)[0]:.2f}"
        )


def _print_alarms(alarms):
    """Verdicts where nothing is planted."""
    for word in sorted({line["word"] for line in alarms}):
        count = sum(line["word"] == word for line in alarms)
        print(f"rho 0, {word}: {count} of {len(alarms)}")
    for name in ("gap", "pull"):
        values = [line[name] for line in alarms]
        if len(values) > 1:
            print(f"{name} {statistics.fmean(values):+.4f}, sd {statistics.stdev(values):.4f}")


def _average(lines, key):
    known = [line[key] for line in lines if line[key] is not None]
    return f"{statistics.fmean(known):.3f}" if known else "–"


def _mean(one):
    return None if one is None else round(one.mean, 4)


def _read(results):
    """The lines so far."""
    return (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )


if __name__ == "__main__":
    main()
