"""The Ray engine apart from any network: how it scales, and what it loses when something is killed.

    python benchmarks/ray_engine.py scale --actors 1,2,4,8,16 --seconds 180
    python benchmarks/ray_engine.py actors --seconds 600      # one is killed every 20 seconds
    python benchmarks/ray_engine.py nodes --seconds 120       # of three machines, simulated by Ray, two are killed
    python benchmarks/ray_engine.py driver --images 5000      # `rank --engine ray` is killed three times
    python benchmarks/ray_engine.py rank --images 5000        # two actors beside one process, MobileNetV2

The work sleeps for 50 ms an image, so that a machine with few cores can stand for a cluster.
"""

__all__ = ["main"]

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import ray
from images import write_images
from networks import mobilenet
from PIL import Image
from ray.cluster_utils import Cluster
from timing import machine

from figureground.data import shared_folder
from figureground.engines import EngineOptions, Part, results
from figureground.engines.work import Tick
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images

SECONDS, SIZE = 0.05, 16  # of an image; images of a part
EVERY = 20  # seconds between two deaths
RANK = """
import sys
from figureground.base.seeds import seed_everything
from figureground.engines import EngineOptions
from figureground.models import LeNetGAP, load_classifier
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images
seed_everything(0)
network = load_classifier(LeNetGAP(), preprocessing={"size": (40, 40)})
rank_images(network, sys.argv[1], out=sys.argv[2], options=RankOptions(classes=("3",), unit=64, top=3),
            device=EngineOptions(engine="ray", actors=2))
"""


class Sleeper:
    """Gives for each image its name in capitals; of each part also when it was done, and by which process."""

    def packed(self) -> AbstractContextManager[object]:
        return nullcontext()

    def settle(self) -> None:
        pass

    def stream(self, parts: Iterable[Part], tick: Tick) -> Iterator[tuple[str, Any]]:
        for part in parts:
            began, found = time.time(), []
            for name in part.images:
                time.sleep(SECONDS)
                found.append(name.upper())
            tick(len(found))
            yield part.name, (found, os.getpid(), began, time.time())


def parts_of(images: int) -> list[Part]:
    names = [f"image-{at}" for at in range(images)]
    return [Part(f"{at:06d}", names[at : at + SIZE]) for at in range(0, images, SIZE)]


def scale(given: argparse.Namespace) -> None:
    """Share of the actors' time, from the moment when all are up until the first has nothing left, that images take."""
    print("| actors | images | all are up, s | efficiency |\n| ---: | ---: | ---: | ---: |")
    for actors in map(int, given.actors.split(",")):
        with cluster(actors):
            images = int(actors * given.seconds / SECONDS)
            began = time.time()
            options = EngineOptions(engine="ray", actors=actors)
            told = [
                (pid, first, last)
                for _, (_, pid, first, last) in results(
                    Sleeper(), parts_of(images), options, tick=lambda _: None
                )
            ]
        by_actor = {pid: [one[1:] for one in told if one[0] == pid] for pid, *_ in told}
        up = max(min(first for first, _ in some) for some in by_actor.values())
        end = min(max(last for _, last in some) for some in by_actor.values())
        done = sum(SIZE for _, first, last in told if first >= up and last <= end)
        share = done * SECONDS / (len(by_actor) * (end - up))
        print(f"| {len(by_actor)} | {images} | {up - began:.1f} | {share:.3f} |", flush=True)


def actors(given: argparse.Namespace) -> None:
    """One of four actors is killed every 20 seconds."""
    seen: list[int] = []

    def kill() -> str:
        pid = seen[-1]
        os.kill(pid, signal.SIGKILL)
        return f"actor {pid}"

    with cluster(4):
        disturbed(given.seconds, kill, seen)


def nodes(given: argparse.Namespace) -> None:
    """Two of three machines are killed, one after the other."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    others = [made.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=made.address, log_to_driver=False)
    try:

        def kill() -> str | None:
            if not others:
                return None
            made.remove_node(others.pop(), allow_graceful=False)
            return "a machine"

        disturbed(given.seconds, kill, [], actors=3, every=given.seconds / 3)
    finally:
        ray.shutdown()
        made.shutdown()


def disturbed(
    seconds: float, kill: Any, seen: list[int], *, actors: int = 4, every: float = EVERY
) -> None:
    """A run that is disturbed, and what it gave beside what it should have."""
    parts = parts_of(int(actors * seconds / SECONDS))
    over, deaths = threading.Event(), []

    def disturb() -> None:
        while not over.wait(every):
            deaths.append(kill())

    thread, found, doubled = threading.Thread(target=disturb, daemon=True), {}, 0
    began = time.time()
    options = EngineOptions(engine="ray", actors=actors)
    for name, (names, pid, *_) in results(Sleeper(), parts, options, tick=lambda _: None):
        if not found:
            thread.start()
        doubled += name in found
        found[name] = names
        seen.append(pid)
    over.set()
    right = {part.name: [name.upper() for name in part.images] for part in parts}
    lost = len(right.keys() - found.keys())
    print(
        f"{len(parts)} parts, {len([one for one in deaths if one])} deaths, {time.time() - began:.0f} s: {lost} lost, "
        f"{doubled} doubled, results {'equal' if found == right else 'DIFFER'}"
    )


def driver(given: argparse.Namespace) -> None:
    """``rank`` of small pictures, whose driver is killed three times, beside an undisturbed one."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "photos").mkdir()
        rng = np.random.default_rng(0)
        for at in range(given.images):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / f"{at:05d}.png")
        ranked(folder, "whole").wait()
        killed = 0
        while killed < 3:
            running = ranked(folder, "killed")
            lines = folder / "killed" / "entries.jsonl"
            target = (killed + 1) * given.images // 64 // 4
            while running.poll() is None and stored(lines) < target:
                time.sleep(0.05)
            if running.poll() is not None:
                raise SystemExit("it was done before it could be killed: give it more --images")
            running.kill()
            running.wait()
            killed += 1
            print(f"killed after {stored(lines)} units", flush=True)
        ranked(folder, "killed").wait()
        tables = [(folder / name / "scores.csv").read_bytes() for name in ("whole", "killed")]
        rows = len(tables[0].splitlines()) - 1
        print(f"{rows} rows, tables {'equal' if tables[0] == tables[1] else 'DIFFER'}")


def rank(given: argparse.Namespace) -> None:
    """Images a second once both are under way: one process, and two actors, in turn."""
    shared = shared_folder()
    if shared is None:
        raise SystemExit("the shared data is absent (FIGUREGROUND_SHARED)")
    classifier = mobilenet(shared)
    engines = {"one process": None, "two actors": EngineOptions(engine="ray", actors=2)}
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    with tempfile.TemporaryDirectory() as place, cluster(2):
        paths = write_images(shared, Path(place, "images"), count=given.images)
        for turn in range(3):
            for name, where in engines.items():
                told: list[tuple[float, int]] = []

                def progress(_: str, done: int, __: int, told: list[Any] = told) -> None:
                    told.append((time.perf_counter(), done))

                options = RankOptions(classes=(1,), top=1, unit=64)
                out = Path(place, f"{name}-{turn}")
                rank_images(
                    classifier, paths, out=out, options=options, device=where, progress=progress
                )
                (began, first), (end, last) = next(one for one in told if one[1] >= 256), told[-1]
                speeds[name].append((last - first) / (end - began))
            print({name: f"{some[-1]:.1f}" for name, some in speeds.items()}, flush=True)
    one, two = (median(some) for some in speeds.values())
    print(
        f"{given.images} photos, {machine()}: {one:.1f} and {two:.1f} images/s, ratio {two / one:.2f}"
    )


def stored(lines: Path) -> int:
    return len(lines.read_bytes().splitlines()) if lines.exists() else 0


def ranked(folder: Path, name: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", RANK, str(folder / "photos"), str(folder / name)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command


@contextmanager
def cluster(processors: int) -> Iterator[None]:
    """As many processors as are wanted, whatever the machine has."""
    ray.init(
        "local",
        num_cpus=processors,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", choices=("scale", "actors", "nodes", "driver", "rank"))
    parser.add_argument("--actors", default="1,2,4,8,16")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--images", type=int, default=5000)
    given = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    globals()[given.question](given)


if __name__ == "__main__":
    main()
