"""Does the diagnosis tell the truth? Networks of background_reliance.py: by boxes, beside the generator's truth.

    python experiments/background_targets.py --runs runs/reliance --seeds 3,4,5 --root ../shared/data/packs

First: gap by boxes from 300 test images against the gap of composites that the generator renders, for the plain arm
(rho 0.95) and the arm of balanced data (rho 0) of three worlds. Then: 100 draws of 200 test images at rho 0, the
networks of balanced data in turn; a false alarm is a verdict "rests on" at delta 0.05.

Asked before any run: a difference of 0.06 at most, gaps within 0.03 of 0 at rho 0 in the mean of the seeds, no false
alarm in 100 draws.
"""

__all__ = ["main"]

import argparse
import statistics
from pathlib import Path

import torch

from figureground.data.loaders import LoadOptions
from figureground.data.loaders.planted_sets import planted_images
from figureground.metrics.reliance import (
    background_of,
    cross,
    crossed_scores,
    filled_boxes,
    hits,
    reliance,
    verdict_of,
)
from figureground.studies.diagnosis.planted import true_reliance
from figureground.training.trained import load_trained

WORLDS = ("tints", "pictures", "patch")
ARMS = {"plain": 0.95, "balanced-data": 0.0}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", default="3,4,5")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=100)
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    _truth(given, seeds)
    _alarms(given, seeds)


def _truth(given, seeds):
    """Measured and true gap of every network."""
    print(
        "| world | rho | true gap | by boxes | difference, each seed |\n| --- | ---: | ---: | ---: | --- |"
    )
    gaps = []
    for world in WORLDS:
        for arm, rho in ARMS.items():
            rows = []
            for seed in seeds:
                network = load_trained(given.runs / world / f"{arm}-{seed}", "last").eval()
                options = LoadOptions(seed=seed, count=300, rho=rho)
                images = planted_images(world, given.root, part="test", options=options)
                other = planted_images(
                    world,
                    given.root,
                    part="test",
                    options=LoadOptions(seed=seed + 50, count=400, rho=rho),
                )
                true = true_reliance(network, other, seed=seed)[0].numbers["gap"].mean
                rows.append((true, _by_boxes(network, images, seed=seed).numbers["gap"].mean))
            gaps += rows
            true, found = (statistics.fmean(row[at] for row in rows) for at in (0, 1))
            apart = ", ".join(f"{row[1] - row[0]:+.3f}" for row in rows)
            print(f"| {world} | {rho:g} | {true:.3f} | {found:.3f} | {apart} |", flush=True)
    errors = [found - true for true, found in gaps]
    rmse = statistics.fmean(error**2 for error in errors) ** 0.5
    print(
        f"\nbias {statistics.fmean(errors):+.3f}, root mean square {rmse:.3f}, {len(errors)} networks\n",
        flush=True,
    )


def _alarms(given, seeds):
    """Verdicts where nothing is planted."""
    words, gaps, pulls = [], [], []
    for draw in range(given.draws):
        world, seed = WORLDS[draw % 2], seeds[draw % len(seeds)]
        network = load_trained(given.runs / world / f"balanced-data-{seed}", "last").eval()
        options = LoadOptions(seed=5000 + draw, count=200, rho=0.0)
        images = planted_images(world, given.root, part="test", options=options)
        numbers = _by_boxes(network, images, seed=draw).numbers
        words.append(verdict_of(numbers["gap"], delta=0.05).word)
        gaps.append(numbers["gap"].mean)
        pulls.append(numbers["pull"].mean)
    for word in sorted(set(words)):
        print(f"{word}: {words.count(word)} of {len(words)}")
    print(
        f"gap {statistics.fmean(gaps):+.4f}, sd {statistics.stdev(gaps):.4f}; pull {statistics.fmean(pulls):+.4f}, "
        f"sd {statistics.stdev(pulls):.4f}"
    )


def _by_boxes(network, images, *, seed):
    """The table as the diagnosis makes it."""
    pixels = images.images.float() / 255
    masks = filled_boxes([box[None] for box in images.boxes], pixels.shape[2:])
    pairs = cross(images.labels, seed=seed)
    with torch.inference_mode():
        logits = crossed_scores(
            network, pixels, masks=masks, backgrounds=background_of(pixels, masks), pairs=pairs
        )
    return reliance(pairs, images.labels, hits(logits[:, :10].clone()), seed=seed, draws=500)


if __name__ == "__main__":
    main()
