"""The five jobs that keep their state in a folder, small; and what they leave, apart from times."""

__all__ = ["JOBS", "again", "make_world", "serve", "snapshot"]

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from figureground.models import Classifier, Preprocessing
from figureground.studies.background.options import PoolRequest
from figureground.studies.background.pool import make_background_pool
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images
from figureground.studies.training.train import train
from figureground.training.recipe import changed

NAMES = ("dark", "light")
_VOLATILE = {"seconds", "provenance", "skipped"}
_TIMED = {"resume.pt"}  # holds the seconds of training


def make_world(folder: Path) -> Path:
    """Twelve photos with boxes, in two classes.

    Args:
        folder: Where.

    Returns:
        The folder.
    """
    rows = ["path,label,x0,y0,x1,y1"]
    for number in range(12):
        name = f"{NAMES[number % 2]}/{number}.png"
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 60, (16, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels + 180 * (number % 2)).save(folder / "photos" / name)
        rows.append(f"photos/{name},{NAMES[number % 2]},2,3,12,11")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    return folder


def _classifier() -> Classifier:
    """Two convolutions and a head, with numbers that need no generator of torch."""
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    ).eval()  # fmt: skip
    numbers = np.random.default_rng(0)
    with torch.no_grad():
        for one in network.parameters():
            one.copy_(torch.from_numpy(numbers.normal(size=tuple(one.shape))))
    plain = Preprocessing((12, 12), "stretch", 1.0, "bilinear", (0.5,) * 3, (0.5,) * 3, 3)
    return Classifier(network, plain, name="toy", class_names=NAMES, num_classes=2)


def _photos(world: Path) -> list[Path]:
    return sorted((world / "photos").rglob("*.png"))


def _explain(world: Path, out: Path, _more: bool) -> None:
    options = ExplainOptions(methods=("cam", "eigen-cam"), batch_size=3, workers=1)
    explain_images(_classifier(), _photos(world), out=out, options=options, device="cpu")


def _rank(world: Path, out: Path, _more: bool) -> None:
    options = RankOptions(unit=4, top=3, batch_size=2, workers=1)
    rank_images(_classifier(), _photos(world), out=out, options=options, device="cpu")


def _evaluate(world: Path, out: Path, _more: bool) -> None:
    options = Localisation(methods=("cam", "eigen-cam"), batch_size=4)
    evaluate(options, _classifier(), world / "boxes.csv", out=out, device="cpu")


def _train(world: Path, out: Path, more: bool) -> None:
    recipe = changed(
        {
            "name": "tiny",
            "epochs": 2,
            "batch_size": 4,
            "checkpoint_every": 1,
            "keep_steps": [1],
            "data": {"name": "folder", "root": str(world / "photos"), "val_fraction": 0.2},
            "model": {"name": "figureground:lenet-gap", "preprocessing": {"size": [8, 8]}},
        }
    )
    train(recipe, out, resume=more and (out / "recipe.yaml").exists(), accelerator="cpu")


def _background(world: Path, out: Path, more: bool) -> None:
    request = PoolRequest(
        procedural=8, longest=8, screen_against=(str(world / "photos"),), sources=(str(world / "photos/dark"),)
    )  # fmt: skip
    make_background_pool(request, out, overwrite=more)


JOBS: dict[str, Callable[[Path, Path, bool], None]] = {
    "explain": _explain,
    "rank": _rank,
    "evaluate": _evaluate,
    "train": _train,
    "background": _background,
}
"""Name -> job: where the photos are, where results go, and whether an earlier run has been there."""


def again(name: str, world: Path, out: Path) -> None:
    """A job in a folder where one has been.

    Args:
        name: Which.
        world: Where the photos are.
        out: The folder.
    """
    JOBS[name](world, out, True)


def snapshot(out: Path) -> dict[str, object]:
    """What a job has left.

    Args:
        out: The folder.

    Returns:
        File -> content, without what depends on the time.
    """
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if not path.is_file() or path.name in _TIMED:
            continue
        if path.name == "record.json":
            record: dict[str, Any] = json.loads(path.read_text())
            found[name] = {key: value for key, value in record.items() if key not in _VOLATILE}
        elif path.name == "figureground.json":
            found[name] = json.loads(
                path.read_text()
            )  # whole also without the end of its last line
        elif path.name == "entries.jsonl":
            found[name] = sorted(path.read_text().splitlines())
        else:
            found[name] = path.read_bytes()
    return found


def serve(world: Path) -> None:
    """Run jobs in processes of their own, each from a process that has computed nothing yet.

    Reads lines ``JOB COUNT FOLDER``, lets the job die as by a kill at that change of the folder (0: at none), and
    answers with its exit status, 9 where it was killed, and with how many changes there were.

    Args:
        world: Where the photos are.
    """
    importlib.import_module("numba")  # which each evaluation would load anew, in a second
    for line in sys.stdin:
        name, count, out = line.rstrip("\n").split(" ", 2)
        child = os.fork()
        if child == 0:
            made = _dying_at(int(count), Path(out))
            status = 1
            with contextlib.suppress(Exception):  # the status tells
                JOBS[name](world, Path(out), Path(out).exists())
                status = 0
            sys.stdout.write(f"{status} {made[0]}\n")
            sys.stdout.flush()
            os._exit(status)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9:
            sys.stdout.write("9 0\n")
            sys.stdout.flush()


def _dying_at(change: int, out: Path) -> list[int]:
    """Let this process die before that change of a folder; the list's one number counts them."""
    made, write = [0], os.fsync

    def count() -> None:
        made[0] += 1
        if made[0] == change:
            os._exit(9)

    def counted(event: str, what: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(what[1], str) and not {"r", "b"} >= {*what[1]}
        changes = opened or event in {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}
        if changes and str(what[0]).startswith(str(out)):
            count()

    def written(handle: int) -> None:
        count()
        write(handle)

    sys.addaudithook(counted)
    os.fsync = written  # type: ignore[assignment]
    return made


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
