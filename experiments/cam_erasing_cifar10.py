"""Does CAM-guided random erasing beat random erasing? ResNet-20 on CIFAR-10-JPEG75, paired over seeds.

    python experiments/cam_erasing_cifar10.py --out runs/cam-erasing --seeds 3 --limit 5000 --epochs 30
    python experiments/cam_erasing_cifar10.py --out runs/cam-erasing-full --seeds 5 --limit 0 --epochs 200

The arms of recipes/cam-erasing-cifar10.yaml. All arms of a seed share initial weights, order and crops, and which
images are erased, and how large the rectangles are. Judged is the error of the last epoch's weights on the test
part, once, after training; nothing is chosen by it. Finished runs are lines of results.jsonl in the output folder and
are not repeated.

Expected, before any run: random erasing within a point of plain training, worse rather than better when trained for
so short; CAM erasing within 0.3 points of random erasing. The rule, fixed before: "CAM erasing is better" is said only
where the paired 95 % interval of its error less that of random erasing lies below 0 and that of its error less that of
the mean map's does, too; else "no detectable difference". With 3 seeds only differences of about a point can show.
"""

__all__ = ["main"]

import argparse
import json
from pathlib import Path

import torch
from scipy.stats import t as student

from figureground.data.loaders import load_dataset
from figureground.data.one_size import in_memory
from figureground.metrics.intervals import paired_difference
from figureground.studies.training.train import train
from figureground.training import Validation, validate
from figureground.training.recipe import read_recipe
from figureground.training.shipped import recipe_path
from figureground.training.trained import load_trained

ARMS = {
    "plain": "[]",
    "random erasing": "[{cam-erasing: {region: uniform}}]",
    "CAM erasing": "[{cam-erasing: {region: object}}]",
    "CAM erasing, mean map": "[{cam-erasing: {region: object, control: mean}}]",
    "CAM erasing, another's map": "[{cam-erasing: {region: object, control: shuffled}}]",
    "away from the object": "[{cam-erasing: {region: away}}]",
}
PAIRS = (
    ("random erasing", "plain"),
    ("CAM erasing", "random erasing"),
    ("CAM erasing", "CAM erasing, mean map"),
    ("CAM erasing, mean map", "random erasing"),
    ("CAM erasing, another's map", "random erasing"),
    ("away from the object", "random erasing"),
)


def main() -> None:
    """Train what is not trained yet, then print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=5000, help="training images; 0 for all")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument(
        "--arms", type=int, default=4, help="how many of the six arms, in their order"
    )
    parser.add_argument("--network", default="figureground:cifar-resnet20")
    given = parser.parse_args()
    results = given.out / "results.jsonl"
    test = load_dataset("cifar10-jpeg", part="test")
    test = in_memory(test, (32, 32))
    held = Validation(test.images, test.labels, test.num_classes)
    for seed in range(given.seeds):
        for arm in list(ARMS)[: given.arms]:
            if (arm, seed) not in {(line["arm"], line["seed"]) for line in _read(results)}:
                _run(arm, seed, given=given, held=held, results=results)
    _print(_read(results))


def _run(arm, seed, *, given, held, results):
    """Train one arm with one seed, judge the last weights, add a line."""
    folder = given.out / f"{arm.replace(' ', '-').replace(',', '')}-{seed}"
    changes = [
        f"seed={seed}",
        f"epochs={given.epochs}",
        f"model.name={given.network}",
        f"algorithms={ARMS[arm]}",
    ]
    changes += [f"data.limit={given.limit}"] if given.limit else []
    recipe = read_recipe(recipe_path("cam-erasing-cifar10"), changes)
    record = train(recipe, folder, resume=(folder / "recipe.yaml").exists())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = validate(load_trained(folder, "last").to(device), held)
    line = {
        "arm": arm,
        "seed": seed,
        "epochs": given.epochs,
        "train": record.data["train"],
        "error": 1 - found["accuracy"],
        "loss": found["loss"],
        "seconds": record.seconds,
        "device": record.device,
    }
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(f"{arm}, seed {seed}: error {line['error']:.2%}, {line['seconds']:.0f} s", flush=True)


def _print(lines):
    """Errors of each arm, and paired differences."""
    errors = {}
    for line in lines:
        errors.setdefault(line["arm"], {})[line["seed"]] = 100 * line["error"]
    seconds = {arm: [line["seconds"] for line in lines if line["arm"] == arm] for arm in errors}
    print(
        f"\n{lines[0]['train']} training images, {lines[0]['epochs']} epochs, {lines[0]['device']}\n"
    )
    print(
        "| arm | test error of the last epoch, % | each seed | training seconds |\n| --- | --- | --- | --- |"
    )
    for arm, of_seed in errors.items():
        values = torch.tensor([of_seed[seed] for seed in sorted(of_seed)])
        each = ", ".join(f"{value:.2f}" for value in values.tolist())
        print(
            f"| {arm} | {values.mean():.2f} | {each} | {sum(seconds[arm]) / len(seconds[arm]):.0f} |"
        )
    print("\n| first less second, points | seeds | difference | 95 %, Student | 95 %, bootstrap |")
    print("| --- | --- | --- | --- | --- |")
    for first, second in PAIRS:
        shared = sorted(errors.get(first, {}).keys() & errors.get(second, {}).keys())
        if len(shared) > 1:
            print(_row(first, second, errors=errors, shared=shared))


def _row(first, second, *, errors, shared):
    """A row; the bootstrap of a few seeds is too narrow, so Student's interval stands beside it and decides."""
    one, other = (torch.tensor([errors[arm][seed] for seed in shared]) for arm in (first, second))
    found = paired_difference(one, other, seed=0)
    spread = float((one - other).std() / len(shared) ** 0.5 * student.ppf(0.975, len(shared) - 1))
    middle = found.mean
    return (
        f"| {first} − {second} | {len(shared)} | {middle:+.2f} | {middle - spread:+.2f} to {middle + spread:+.2f} "
        f"| {found.low:+.2f} to {found.high:+.2f} |"
    )


def _read(path):
    return (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    )


if __name__ == "__main__":
    main()
