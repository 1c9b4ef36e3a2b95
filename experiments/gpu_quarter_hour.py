"""A quarter of an hour on one large GPU: jobs sorted by what they are worth a minute.

    python experiments/gpu_quarter_hour.py --list
    python experiments/gpu_quarter_hour.py --all --out runs/gpu --limit 14
    python experiments/gpu_quarter_hour.py --run tests map-costs --out runs/gpu
    python experiments/gpu_quarter_hour.py --all --tiny --out runs/look         (every job at its smallest, on the CPU)

A job is stages of commands; those of a stage run side by side. A finished job has its numbers in OUT/NAME.json and is
not repeated; a training that was stopped goes on. Minutes are estimates for one H200, from 15,000 images a second
for a ResNet-20 in bf16 and a third of that for a ResNet-56, and 100,000 for all processes together. With
``cifar-10-batches-py`` in ROOT the clean CIFAR-10 is taken, otherwise CIFAR-10-JPEG75.
"""

__all__ = ["JOBS", "Job", "main", "run_job", "sorted_jobs"]

import argparse
import json
import os
import re
import runpy
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
FIGUREGROUND = [sys.executable, "-c", "from figureground.cli import main; main()"]
GAUGE = {"ROUNDS": "1", "STEPS": "1", "SIDE": "64", "BATCH": "1"}
OFFLINE = ["data.name=planted-tints", "data.count=60", "epochs=1", "batch_size=8"]
Stages = list[list[list[str]]]


@dataclass(frozen=True)
class Job:
    """What is run, what it is worth (1 to 10), how long it takes, and how its numbers are read from its folder."""

    asks: str
    value: float
    minutes: float
    stages: Callable[[Path, argparse.Namespace], Stages]
    read: Callable[[Path], Any]


def tests(place: Path, given: argparse.Namespace) -> Stages:
    look = (
        ["--collect-only", "-q", "-o", "addopts=", "-o", "filterwarnings="]
        if given.tiny
        else [f"--junitxml={place / 'tests.xml'}"]
    )
    few = ["tests/methods/test_on_gpu.py"] if given.tiny else ["tests"]
    return [[[sys.executable, "-m", "pytest", "-m", "gpu", "-p", "no:cacheprovider", *look, *few]]]


def benchmark(name: str) -> Callable[[Path, argparse.Namespace], Stages]:
    return lambda _place, _given: [[[sys.executable, "benchmarks/run.py", name]]]


def trained(
    recipe: str, place: Path, given: argparse.Namespace, *, changes: list[str]
) -> list[str]:
    """One training; it goes on where it was stopped, and a finished one is nothing to do."""
    clean = (given.root / "cifar-10-batches-py").is_dir()
    base = [
        f"data.name={'cifar10' if clean else 'cifar10-jpeg'}",
        f"data.root={given.root}",
        "precision=bf16-mixed",
    ]
    if (place / "record.json").exists():
        return []
    resumed = ["--resume"] if (place / "recipe.yaml").exists() else []
    words = [
        *base,
        "batch_size=512",
        *changes,
        *([*OFFLINE, "precision=32-true"] if given.tiny else []),
    ]
    device = ["--accelerator", "cpu"] if given.tiny else []
    told = [word for change in words for word in ("--set", change)]
    return [*FIGUREGROUND, "train", recipe, "--out", str(place), *device, *resumed, *told]


def compared(place: Path, arms: list[str], seeds: range, *, given: argparse.Namespace) -> list[str]:
    """All runs on the test images, by their last weights."""
    named = [f"{arm}={','.join(str(place / f'{arm}-{seed}') for seed in seeds)}" for arm in arms]
    small = ["--limit", "20", "--device", "cpu"] if given.tiny else []
    words = ["--checkpoint", "last", "--examples", "0", "--maps", "0", "--corrupted", "0"]
    words += [*small, "--ood", "none", "--overwrite", "--out", str(place / "compare")]
    return [*FIGUREGROUND, "compare", *(word for one in named for word in ("--arm", one)), *words]


TEXTURES = "pools: [POOL], ratio: 0.42, start: 0.3"
WAYS = {
    "plain": "algorithms=[]",
    "background-class": f"algorithms=[{{background-class: {{{TEXTURES}}}}}]",
    "cam-erasing": "algorithms=[{cam-erasing: {start: 0.5, refresh_every: 10, region: object}}]",
}


def cures(place: Path, given: argparse.Namespace) -> Stages:
    """ResNet-20 on all images, three ways and three seeds at once."""
    seeds = range(1 if given.tiny else 3)
    pool = (
        "{name: planted-tints, background: true}"
        if given.tiny
        else f"{{name: dtd10, root: {given.packs}}}"
    )
    ways = dict(list(WAYS.items())[: 2 if given.tiny else None])
    train = [
        trained(
            "background-class-cifar10",
            place / f"{way}-{seed}",
            given,
            changes=[
                f"seed={seed}",
                "epochs=60",
                "optimiser.lr=0.4",
                change.replace("POOL", pool),
            ],
        )
        for seed in seeds
        for way, change in ways.items()
    ]
    return [train, [compared(place, list(ways), seeds, given=given)]]


def distillation(place: Path, given: argparse.Namespace) -> Stages:
    """ResNet-56 a little further by MCMI; ResNet-20 learns from it, from all images and from a twentieth."""
    seeds = range(1 if given.tiny else 3)
    weights = ("0", "0.15", "0.5")[: 2 if given.tiny else None]
    depth = 20 if given.tiny else 56
    file = given.weights / f"resnet{depth}_cifar10.safetensors"
    teacher = f'{{name: "figureground:cifar-resnet{depth}", weights: {file}}}'
    teachers = [
        trained(
            "mcmi-teacher",
            place / f"teacher-{weight}",
            given,
            changes=[
                f"model={teacher}",
                "epochs=10",
                f"algorithms=[{{mcmi: {{weight: {weight}}}}}]",
            ],
        )
        for weight in weights
    ]
    sizes = {
        "all": ["epochs=20", "optimiser.lr=0.2"],
        "few": ["epochs=240", "data.limit=2250", "batch_size=128"],
    }
    students = {
        f"{size}-mcmi-{weight}": [
            *changes,
            f"distillation.teacher={{name: {place}/teacher-{weight}, checkpoint: last}}",
        ]
        for size, changes in list(sizes.items())[: 1 if given.tiny else None]
        for weight in weights
    }
    taught = [
        trained("distill", place / f"{arm}-{seed}", given, changes=[f"seed={seed}", *changes])
        for seed in seeds
        for arm, changes in students.items()
    ]
    return [teachers, taught, [compared(place, list(students), seeds, given=given)]]


def log_of(place: Path) -> str:
    return "\n".join(one.read_text("utf-8", "replace") for one in sorted(place.glob("*.log")))


def counts(place: Path) -> dict[str, int]:
    """What pytest says last: passed, failed, skipped, or collected."""
    said = log_of(place).strip().splitlines()[-1]
    return {word: int(count) for count, word in re.findall(r"(\d+)(?:/\d+)? ([a-z]+)", said)}


def tables(place: Path) -> list[str]:
    """Titles, which name the device, and rows of the tables that a benchmark prints."""
    return [line for line in log_of(place).splitlines() if line.startswith(("|", "###"))]


def numbers(place: Path) -> dict[str, Any]:
    """Measures of the test images by arm and seed; device, speed and last accuracy of each run."""
    runs = {}
    for file in sorted(place.glob("*/record.json")):
        one = json.loads(file.read_text())
        if one.get("kind") == "train":
            told = {key: one[key] for key in ("device", "images", "seconds", "last")}
            runs[file.parent.name] = told | {"images a second": one["images"] / one["seconds"]}
    record = json.loads((place / "compare" / "record.json").read_text())
    return {"runs": runs, "test": record["numbers"]}


JOBS = {
    "tests": Job("Do the tests that need a GPU pass?", 10, 1, tests, counts),
    "map-costs": Job("What do maps cost, in time and memory?", 6, 1, benchmark("cam_cost"), tables),
    "training-speed": Job(
        "Is the engine as fast as a bare loop?", 6, 0.8, benchmark("train_throughput"), tables
    ),
    "cures": Job(
        "Do background class and CAM erasing help a ResNet-20 trained to the end?",
        9,
        5,
        cures,
        numbers,
    ),
    "distillation": Job("Do MCMI teachers make better students?", 8, 6, distillation, numbers),
}


def sorted_jobs(jobs: dict[str, Job]) -> Iterator[tuple[str, Job]]:
    """Most worth a minute first."""
    yield from sorted(jobs.items(), key=lambda one: -one[1].value / one[1].minutes)


def device() -> str:
    """The GPU as its driver calls it, or the CPU."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(  # noqa: S603 - our own words
            asked, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f"CPU, {os.cpu_count()} cores"


def run_job(name: str, job: Job, given: argparse.Namespace) -> bool:
    """Do what is not done; whether all went well."""
    kept, place = given.out / f"{name}.json", given.out / name
    if kept.exists():
        print(f"{name}: done before", flush=True)
        return True
    place.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    for at, stage in enumerate(job.stages(place, given)):
        jobs = [(words, place / f"{at}-{row}.log") for row, words in enumerate(stage) if words]
        if not all(done_together(jobs, given.together, tiny=given.tiny)):
            return False
    told = {"job": name, "asks": job.asks, "device": "CPU, a look" if given.tiny else device()}
    told |= {"minutes": (time.monotonic() - began) / 60, "results": job.read(place)}
    kept.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    print(f"{name}: {60 * told['minutes']:.0f} s -> {kept}", flush=True)
    return True


def done_together(jobs: list[tuple[list[str], Path]], count: int, *, tiny: bool) -> list[bool]:
    """Whether each command ended well; copies of this process are made by its main thread, or they may hang."""
    if tiny:
        return [command(*one, tiny=True) for one in jobs]
    with ThreadPoolExecutor(count) as several:
        return list(several.map(lambda one: command(*one, tiny=False), jobs))


def command(words: list[str], log: Path, *, tiny: bool) -> bool:
    """One process, what it says in a log; whether it ended well."""
    if tiny:
        code = in_a_copy(words, log)
    else:
        path = os.pathsep.join([str(HERE / "src"), os.environ.get("PYTHONPATH", "")])
        with log.open("w") as file:
            code = subprocess.run(  # noqa: S603 - our own words
                words,
                cwd=HERE,
                env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
    if code:
        last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-8:])
        print(f"failed ({code}), {log}:\n{last}", flush=True)
    return code == 0


def in_a_copy(words: list[str], log: Path) -> int | None:
    """The same words in a copy of this process, which has imported already what takes seconds; on the CPU."""
    os.environ |= {f"FIGUREGROUND_BENCH_{key}": value for key, value in GAUGE.items()}
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    os.chdir(HERE)
    for name in ("figureground.studies.comparison.compare", "figureground.studies.training.train"):
        import_module(name)

    copy = get_context("fork").Process(target=act, args=(words, log))
    copy.start()
    copy.join()
    return copy.exitcode


def act(words: list[str], log: Path) -> None:
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    script = words[1] not in {"-m", "-c"}
    sys.argv = words[1:] if script else words[2:]
    code: Any = 0
    try:
        if script:
            runpy.run_path(words[1], run_name="__main__")
        elif words[1] == "-m":
            runpy.run_module(words[2], run_name="__main__", alter_sys=True)
        else:
            exec(words[2])  # noqa: S102 - our own words
    except SystemExit as told:
        code = told.code
    except Exception:  # noqa: BLE001 - it is told, and the job has failed
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    os._exit(code or 0)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true")
    what.add_argument("--run", nargs="+", choices=JOBS, metavar="NAME")
    what.add_argument("--all", action="store_true")
    shared = Path(os.environ.get("FIGUREGROUND_SHARED", "../shared")).absolute() / "data"
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--root", type=Path, default=shared / "packs", help="CIFAR-10")
    parser.add_argument("--packs", type=Path, default=shared / "packs", help="textures")
    parser.add_argument("--weights", type=Path, default=shared / "weights")
    parser.add_argument("--together", type=int, default=9, help="processes side by side")
    parser.add_argument("--limit", type=float, default=15, help="begin no job that would not end")
    parser.add_argument("--tiny", action="store_true", help="every job at its smallest, CPU")
    given = parser.parse_args(words)
    for name in ("out", "root", "packs", "weights"):
        setattr(given, name, getattr(given, name).absolute())
    if given.list:
        for name, job in sorted_jobs(JOBS):
            print(
                f"{name:15} {job.value / job.minutes:5.1f} a minute, {job.minutes:4.1f} min  {job.asks}"
            )
        print(f"{'sum':15} {sum(job.minutes for job in JOBS.values()):24.1f} min")
        return 0
    began, well = time.monotonic(), True
    for name, job in sorted_jobs({one: JOBS[one] for one in given.run or JOBS}):
        if not given.tiny and (time.monotonic() - began) / 60 + job.minutes > given.limit:
            print(f"{name}: left for another time, {job.minutes} min", flush=True)
            continue
        well &= run_job(name, job, given)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
