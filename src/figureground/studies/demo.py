"""The demo: train a network on digits in clutter with and without a background class, and compare what they look at."""

__all__ = ["DemoWatch", "run_demo"]

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from figureground.base.record import write_json
from figureground.data.labeled import LabeledImages
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.methods import METHODS
from figureground.studies.demo_numbers import Arm, arms_table, localisation_table
from figureground.studies.demo_strip import strip_figure
from figureground.studies.explain import explain_photos
from figureground.studies.options import ExplainOptions, ExplainRecord, Truth
from figureground.studies.train import train
from figureground.studies.trained import load_trained
from figureground.training.recipe import Recipe, read_recipe
from figureground.training.run import Run
from figureground.training.shipped import recipe_path

DemoWatch = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is."""

_ARMS = ("plain", "background class")
_SET = 20_000
_SHOWN = 48
_MEASURED = 500


def run_demo(out: Path, *, seed: int, samples: int, watch: DemoWatch) -> ExplainRecord:
    """Train twice, compare, explain; results as ``explain_photos`` leaves them, with tables and a strip of maps.

    A demo that was stopped goes on where it stood.

    Args:
        out: The folder; the trained networks stay in ``out/runs``.
        seed: For data, weights and training.
        samples: Training pictures shown to each network.
        watch: Told of progress.

    Returns:
        The record, as saved.

    Raises:
        OptionError: The folder holds a demo with another seed or another number of pictures.
    """
    arms = [_trained(name, out, seed=seed, samples=samples, watch=watch) for name in _ARMS]
    test = load_dataset(
        "cluttered-digits", part="test", options=LoadOptions(seed=seed, background=True)
    )
    tables = (
        arms_table(arms, test),
        localisation_table(
            arms, test, count=_MEASURED, watch=lambda done, total: watch("measuring", done, total)
        ),
    )
    photos, truths = _write_photos(out / "photos", test)
    record = explain_photos(
        arms[1].classifier,
        photos,
        out=out,
        options=ExplainOptions(methods=tuple(METHODS), overwrite=True),
        truths=truths,
        watch=lambda done, total: watch("drawing", done, total),
    )
    notes = (
        f"two networks, trained here on {samples} pictures each, made of scikit-learn's digits, seed {seed}",
        "the pictures below are of the network with a background class",
        "a digit is the brightest thing in its picture, so finding it is easy: see the brightness row",
    )
    record = replace(
        record,
        tables=tables,
        figures=(strip_figure(arms, test),),
        notes=(*record.notes, *notes),
    )
    write_json(out / "record.json", record)
    return record


def _trained(name: str, out: Path, *, seed: int, samples: int, watch: DemoWatch) -> Arm:
    """One network, from the shipped recipe; a finished run is taken as it is."""
    folder = out / "runs" / name.replace(" ", "-")

    def told(run: Run, _values: dict[str, float]) -> None:
        size = run.batches.size
        watch(f"training, {name}", run.step * size, run.recipe.epochs * len(run.batches) * size)

    recipe = _recipe(name, seed=seed, samples=samples)
    record = train(recipe, folder, resume=(folder / "recipe.yaml").exists(), watch=told)
    return Arm(name, load_trained(folder, "last").eval(), record.last["accuracy"], record.seconds)


def _recipe(name: str, *, seed: int, samples: int) -> Recipe:
    """The shipped recipe at the size that was asked for."""
    count, epochs = min(samples, _SET), max(1, round(samples / _SET))
    changes = [f"seed={seed}", f"epochs={epochs}", f"data.count={count}"]
    pool = f"{{name: cluttered-digits, background: true, count: {count}}}"
    algorithms = "[]"
    if name != "plain":
        algorithms = f"[{{background-class: {{pools: [{pool}], ratio: 0.25}}}}]"
    return read_recipe(recipe_path("background-class"), [*changes, f"algorithms={algorithms}"])


def _write_photos(folder: Path, test: LabeledImages) -> tuple[list[Path], dict[Path, Truth]]:
    """Digits that neither network has seen, and the last of them clutter without a digit."""
    folder.mkdir(parents=True, exist_ok=True)
    digits = torch.nonzero(test.labels < test.num_classes).flatten()[:_SHOWN]
    empty = torch.nonzero(test.labels == test.num_classes).flatten()[: max(1, _SHOWN // 8)]
    names = (*test.class_names, "clutter")
    assert isinstance(test.images, torch.Tensor)  # noqa: S101 - generated in memory
    assert test.boxes is not None  # noqa: S101 - with boxes
    truths: dict[Path, Truth] = {}
    for number, row in enumerate([*digits.tolist(), *empty.tolist()]):
        name = names[int(test.labels[row])]
        path = folder / f"{number:03d}-{name}.png"
        Image.fromarray(test.images[row, 0].numpy()).save(path)
        boxes = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in test.boxes[row])
        truths[path] = Truth(name, boxes)
    return list(truths), truths
