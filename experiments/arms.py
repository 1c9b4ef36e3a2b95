"""What all experiments share: worlds with their arms are trained from recipes, judged, and kept as numbers of each run.

command:   none; it is imported. Every experiment that uses it has the same options:
           --out FOLDER (runs and comparisons), --seeds 10,11, --worlds a,b, --arms "a;b", --root PACKS,
           --weights WEIGHTS, --tiny (a look: one seed, two arms, few images), --save (numbers to journal/results)
expected:  nothing of its own

A finished run is not repeated, one that was stopped goes on. Numbers are made of the last weights, on images that no
run was trained or chosen on, when all runs of a world are there.
"""

__all__ = ["World", "main"]

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from figureground.base.record import provenance
from figureground.studies.comparison.compare import compare
from figureground.studies.comparison.options import CompareOptions
from figureground.studies.training.train import train
from figureground.training.recipe import read_recipe
from figureground.training.shipped import recipe_path

Prepare = Callable[[argparse.Namespace, Sequence[str]], None]
RESULTS = Path(__file__).parent.parent / "journal" / "results"


@dataclass(frozen=True)
class World:
    """Data and network, and the ways to train that are compared on them.

    Args:
        recipe: Name of a shipped recipe.
        arms: Name -> changes of the recipe; the first is the reference. ``PLACE``, ``OUT``, ``SEED``, ``ROOT`` and
            ``WEIGHTS`` are filled in: the folder of the world's runs, that of all worlds, the run's seed, the packs,
            the trained weights.
        changes: Changes of the recipe that all arms share.
        asked: Options of the comparison.
        tiny: More changes for a look.
        judge: Folder of a run and its seed -> measure -> number, instead of a comparison.
        by_seed: More changes that all arms share, by the seed.
    """

    recipe: str
    arms: Mapping[str, list[str]]
    changes: tuple[str, ...] = ()
    asked: Mapping[str, Any] = field(default_factory=dict)
    tiny: tuple[str, ...] = ()
    judge: Callable[[Path, int, argparse.Namespace], dict[str, float]] | None = None
    by_seed: Callable[[int], list[str]] = lambda _: []


def main(
    name: str,
    told: str,
    worlds: Mapping[str, World],
    *,
    seeds: str = "10,11,12",
    prepare: Prepare = lambda *_: None,
) -> None:
    """Train what is not trained yet, judge, and save the numbers.

    Args:
        name: Of the experiment, as its file of numbers is called.
        told: The script's docstring.
        worlds: By name.
        seeds: If none are given.
        prepare: Called first, with the arguments and the names of the worlds: makes what all arms share.
    """
    given = _arguments(told, seeds)
    chosen = given.worlds.split(",") if given.worlds else list(worlds)[: 1 if given.tiny else None]
    prepare(given, chosen)
    for one in chosen:
        world, place = worlds[one], given.out / one
        runs = _trained(world, place, given)
        numbers = _judged(world, runs, place, given=given)
        _print(one, numbers)
        if given.save:
            _save(name, one, world, numbers=numbers, given=given)


def _arguments(told: str, seeds: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=told.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and comparisons")
    parser.add_argument("--seeds", default=seeds)
    parser.add_argument("--worlds", help="comma-separated; all where omitted")
    parser.add_argument("--arms", help="semicolon-separated; all where omitted")
    parser.add_argument("--root", type=Path, default=Path("../shared/data/packs"), help="packs")
    parser.add_argument("--weights", type=Path, default=Path("../shared/data/weights"))
    parser.add_argument("--tiny", action="store_true", help="one seed, two arms, few images")
    parser.add_argument("--save", action="store_true", help="numbers to journal/results")
    given = parser.parse_args()
    if given.tiny and given.save:
        parser.error("numbers of a look are not kept")
    given.seeds = [int(seed) for seed in given.seeds.split(",")][: 1 if given.tiny else None]
    return given


def _trained(
    world: World, place: Path, given: argparse.Namespace
) -> dict[str, list[tuple[int, Path]]]:
    """Arm -> seeds and folders of its runs; all arms of a seed before the next seed."""
    arms = given.arms.split(";") if given.arms else list(world.arms)
    arms = arms[: 2 if given.tiny else None]
    runs: dict[str, list[tuple[int, Path]]] = {arm: [] for arm in arms}
    for seed in given.seeds:
        for arm in arms:
            folder = place / f"{slug(arm)}-{seed}"
            runs[arm].append((seed, folder))
            if (folder / "record.json").exists():
                continue
            changes = [f"seed={seed}", *world.changes, *world.by_seed(seed), *world.arms[arm]]
            changes += world.tiny if given.tiny else ()
            filled = [_filled(change, place, seed=seed, given=given) for change in changes]
            recipe = read_recipe(recipe_path(world.recipe), filled)
            record = train(recipe, folder, resume=(folder / "recipe.yaml").exists())
            print(f"{folder}: {record.last}, {record.seconds:.0f} s", flush=True)
    return runs


def _filled(change: str, place: Path, *, seed: int, given: argparse.Namespace) -> str:
    """A change with its folders and its seed."""
    words = {
        "PLACE": place,
        "OUT": given.out,
        "SEED": seed,
        "ROOT": given.root,
        "WEIGHTS": given.weights,
    }
    for word, value in words.items():
        change = change.replace(word, str(value))
    return change


def _judged(
    world: World,
    runs: Mapping[str, list[tuple[int, Path]]],
    place: Path,
    *,
    given: argparse.Namespace,
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure -> arm -> seed -> number."""
    if world.judge is None:
        small = {"limit": 40, "corrupted": 0, "maps": 4, "ood": ("noise",)} if given.tiny else {}
        options = CompareOptions(
            **{"examples": 0, "corrupted": 0, "maps": 0, **world.asked, **small}
        )
        folders = {arm: [folder for _, folder in some] for arm, some in runs.items()}
        record = compare(
            folders, out=place / "compare", options=options, checkpoint="last", overwrite=True
        )
        return record.numbers
    numbers: dict[str, dict[str, dict[str, float]]] = {}
    for arm, some in runs.items():
        for seed, folder in some:
            kept = folder / "judged.json"
            if not kept.exists():
                kept.write_text(json.dumps(world.judge(folder, seed, given)))
            seconds = json.loads((folder / "record.json").read_text())["seconds"]
            for measure, value in (
                json.loads(kept.read_text()) | {"training seconds": seconds}
            ).items():
                if value is not None:
                    numbers.setdefault(measure, {}).setdefault(arm, {})[str(seed)] = value
    return numbers


def _print(world: str, numbers: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Means over seeds; ``tables.py`` has the intervals."""
    print(f"\n{world}")
    for measure, arms in numbers.items():
        means = ", ".join(
            f"{arm} {sum(values.values()) / len(values):.4g}"
            for arm, values in arms.items()
            if values
        )
        print(f"  {measure}: {means}", flush=True)


def _save(name, world, spec, *, numbers, given):
    """The numbers of one world, beside those of the others."""
    RESULTS.mkdir(exist_ok=True)
    place = RESULTS / f"{name}.json"
    kept = json.loads(place.read_text()) if place.exists() else {"experiment": name, "worlds": {}}
    command = f"python experiments/{Path(sys.argv[0]).name} --worlds {world}"
    command += f" --seeds {','.join(map(str, given.seeds))}"
    command += f' --arms "{given.arms}"' if given.arms else ""
    kept["worlds"][world] = {
        "command": command,
        "recipe": spec.recipe,
        "changes": list(spec.changes),
        "arms": {arm: list(spec.arms[arm]) for arm in next(iter(numbers.values()))},
        "versions": provenance().versions,
        "numbers": {
            measure: {
                arm: {seed: round(value, 5) for seed, value in values.items()}
                for arm, values in arms.items()
                if values
            }
            for measure, arms in numbers.items()
            if any(arms.values())
        },
    }
    place.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def slug(arm: str) -> str:
    """A folder's name for an arm."""
    return "".join(one if one.isalnum() else "-" for one in arm).strip("-").replace("--", "-")
