"""``rank`` of a million files: planning, storing, joining, and a second run; without decoding and network or with them.

    python benchmarks/million.py --images 1000000
    python benchmarks/million.py --images 1000000 --decode

The files are hard links to a thousand JPEGs of 64 pixels, and scores are made of their names. With ``--decode`` each is
decoded and scored by a small network.
"""

__all__ = ["main"]

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from figureground.base.identity import shown
from figureground.base.seeds import seed_everything
from figureground.engines import Part
from figureground.engines.work import Tick
from figureground.models import LeNetGAP, load_classifier
from figureground.studies.ranking import rank as module
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.scoring import Scoring

FOLDER = 10_000  # files


class Known(Scoring):
    """Scores that are made of names."""

    def stream(self, parts: Iterable[Part], tick: Tick) -> Iterator[tuple[str, dict[str, Any]]]:
        for part in parts:
            values = np.array([int(Path(one).stem) % 9973 / 9973 for one in part.images])
            nothing = np.full(len(values), "", np.str_)
            yield (
                part.name,
                {
                    "path": np.array([shown(one) for one in part.images]),
                    "best": np.zeros(len(values), np.int64),
                    "probability": values,
                    "scores": values[:, None],
                    "problem": nothing,
                    "notices": nothing,
                },
            )
            tick(len(values))


def run(place: Path, *, decodes: bool) -> None:
    """One ranking, and what it took."""
    if not decodes:
        module.Scoring = Known
    seed_everything(0)  # both runs are of one network
    network = load_classifier(LeNetGAP(), preprocessing={"size": (40, 40)})
    began, first = time.perf_counter(), []

    def progress(_stage: str, _done: int, _total: int) -> None:
        if not first:
            first.append(time.perf_counter() - began)

    options = RankOptions(classes=("3",), top=10)
    record = module.rank_images(
        network, place / "photos", out=place / "out", options=options, progress=progress
    )
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"| {record.images} | {record.skipped} | {first[0]:.0f} | {seconds:.0f} | {peak:.2f} |",
        flush=True,
    )


def _origins(folder: Path) -> list[Path]:
    """Files of their own; a file system may allow 65,000 links to one."""
    folder.mkdir()
    files = [folder / f"{at:03d}.jpg" for at in range(1000)]
    rng = np.random.default_rng(0)
    for file in files:
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(file)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--place", type=Path, help="of a run; made where omitted")
    parser.add_argument("--decode", action="store_true", help="decode and score each file")
    given = parser.parse_args()
    if given.place:
        run(given.place, decodes=given.decode)
        return
    with tempfile.TemporaryDirectory() as place:
        photos = Path(place) / "photos"
        origins = _origins(Path(place) / "origins")
        for at in range(given.images):
            folder = photos / f"{at // FOLDER:04d}"
            if at % FOLDER == 0:
                folder.mkdir(parents=True)
            origin = origins[(at + at // len(origins)) % len(origins)]
            (folder / f"{at:07d}.jpg").hardlink_to(origin)
        print(
            "| images | done before | planned, s | all, s | peak, GiB |\n| ---: | ---: | ---: | ---: | ---: |"
        )
        for _ in range(2):
            command = [sys.executable, __file__, "--place", place, *["--decode"] * given.decode]
            subprocess.run(command, check=True)  # noqa: S603 - our own command


if __name__ == "__main__":
    main()
