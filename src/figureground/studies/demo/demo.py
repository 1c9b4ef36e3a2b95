"""The demo: a network that rests on the background, found out and cured; then the background class on clutter."""

__all__ = ["DemoRecord", "run_demo"]

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from figureground.base.progress import Progress, no_progress
from figureground.base.record import Provenance, provenance, write_json
from figureground.data.labeled import LabeledImages
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.studies.answers import Answer
from figureground.studies.comparison.compare import compare
from figureground.studies.comparison.options import CompareOptions, ComparisonRecord
from figureground.studies.demo.story import tell_story
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.evaluation.tables import EvaluationRecord, table
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions, Truth
from figureground.studies.models import LoadedModel
from figureground.studies.training.runs import TrainedRun, load_run
from figureground.studies.training.train import train
from figureground.training.recipe import Recipe, read_recipe
from figureground.training.shipped import recipe_path

# without the methods that run a network thousands of times for each image
_METHODS = (
    *("cam", "grad-cam", "grad-cam++", "hires-cam", "layer-cam", "ablation-cam"),
    *("eigen-cam", "cnn-fixations", "dff"),
)
_ARMS = ("plain", "background class")
_SET = 20_000
_STORY = 0.5  # images shown to the networks of the first half, of those of the second
_SHOWN, _MEASURED = 48, 500
_CAPTION = (
    "Digits of the splits are disjoint. Unknown: can the network tell clutter without a digit from digits; score msp "
    "(one minus the largest probability) or s2 (the same with the background in the softmax). Area: of the CAM above "
    "half its maximum, of 200 images."
)
_LOCALISED = (
    "Share of {} unseen digits whose box overlaps the true one by half or more, by the rule and with the threshold of "
    "'figureground evaluate localisation' (chosen on other digits); and the share whose peak is in the box. The last "
    "rows know no network."
)


_NOTES = (
    "the maps of single images are of the network with a background class",
    "a digit is the brightest thing in its image, so finding it is easy: see the brightness row",
)


@dataclass(frozen=True)
class DemoRecord:
    """A finished demo; saved as ``demo.json``, last, beside the ``record.json`` of its maps.

    Args:
        answer: What the page leads with.
        tables: Title, caption, columns, rows.
        figures: Title, caption, png (a data address).
        notes: What the reader must know.
        provenance: Command, versions, machine, seeds.
        kind: ``demo``.
        schema: Version of this form.
    """

    answer: Answer
    tables: tuple[dict[str, Any], ...]
    figures: tuple[dict[str, str], ...]
    notes: tuple[str, ...]
    provenance: Provenance
    kind: str = "demo"
    schema: int = 1


def run_demo(out: Path, *, seed: int, samples: int, progress: Progress = no_progress) -> DemoRecord:
    """Diagnose, treat and diagnose again; then train with and without a background class, compare, explain.

    A demo that was stopped goes on where it stood.

    Args:
        out: The folder; the trained networks stay in ``out/runs``, what was measured in ``out/comparison`` and
            ``out/localisation``.
        seed: For data, weights and training.
        samples: Training images shown to each network.
        progress: Called throughout.

    Returns:
        The record, as saved.

    Raises:
        OptionError: The folder holds a demo with another seed or another number of images.
    """
    story = tell_story(out, seed=seed, samples=round(_STORY * samples), progress=progress)
    folders = {arm: out / "runs" / arm.replace(" ", "-") for arm in _ARMS}
    runs = {
        arm: _trained(
            arm, folder, recipe=_recipe(arm, seed=seed, samples=samples), progress=progress
        )
        for arm, folder in folders.items()
    }
    compared = compare(
        {arm: [folder] for arm, folder in folders.items()},
        out=out / "comparison",
        options=CompareOptions(ood=("background",), corrupted=0, methods=("cam",), seed=seed),
        checkpoint="last",
        progress=progress,
    )
    localised = {arm: _localised(runs[arm], out / "localisation" / arm, seed=seed) for arm in _ARMS}
    test = load_dataset(
        "cluttered-digits", part="test", options=LoadOptions(seed=seed, background=True)
    )
    photos = _write_images(out / "photos", test)
    maps = explain_images(
        runs[_ARMS[1]].classifier,
        photos,
        out=out,
        options=ExplainOptions(methods=_METHODS),
        overwrite=True,
        progress=progress,
    )
    made = f"two networks, trained here on {samples} images each, made of scikit-learn's digits, seed {seed}"
    told = DemoRecord(
        answer=story.answer,
        tables=(story.table, _arms_table(compared, runs), _localisation_table(localised)),
        figures=(*story.figures, _figure(out / "comparison" / "examples.png")),
        notes=(*maps.notes, made, *_NOTES),
        provenance=provenance(seeds=(seed,)),
    )
    write_json(out / "demo.json", told)
    return told


def _trained(arm: str, folder: Path, *, recipe: Recipe, progress: Progress) -> TrainedRun:
    """One network, from the shipped recipe; a finished run is taken as it is."""

    def report(_stage: str, done: int, total: int) -> None:
        progress(f"training, {arm}", done, total)

    train(recipe, folder, resume=(folder / "recipe.yaml").exists(), progress=report)
    return load_run(folder, "last")


def _recipe(arm: str, *, seed: int, samples: int) -> Recipe:
    """The shipped recipe at the size that was asked for."""
    count, epochs = min(samples, _SET), max(1, round(samples / _SET))
    changes = [f"seed={seed}", f"epochs={epochs}", f"data.count={count}"]
    pool = f"{{name: cluttered-digits, background: true, count: {count}}}"
    algorithms = "[]"
    if arm != "plain":
        algorithms = f"[{{background-class: {{pools: [{pool}], ratio: 0.25}}}}]"
    return read_recipe(recipe_path("background-class"), [*changes, f"algorithms={algorithms}"])


def _localised(run: TrainedRun, out: Path, *, seed: int) -> EvaluationRecord:
    """Boxes of these methods."""
    methods = tuple(name for name in _METHODS if name != "dff")
    chosen = Localisation(methods=methods, cases=0, seed=seed)
    some = DataOptions(limit=_MEASURED, seed=seed)
    return evaluate(chosen, LoadedModel(run.classifier, run), out=out, data_options=some)


def _arms_table(compared: ComparisonRecord, runs: Mapping[str, TrainedRun]) -> dict[str, Any]:
    """How right, how sure and how wary the networks are: a measure a line, a network a column."""
    columns = []
    for arm, run in runs.items():
        told = partial(_told, compared, arm)
        quality, area = told("Accuracy and calibration"), told("Maps: cam", measure="area")
        score = "s2" if run.has_background else "msp"
        columns.append(
            {
                "accuracy, validation digits": f"{run.record['last']['accuracy']:.1%}",
                "accuracy, unseen digits": f"{quality['accuracy ↑']:.1%}",
                "negative log-likelihood, nats": f"{quality['NLL ↓']:.3f}",
                "calibration error": f"{quality['ECE ↓']:.3f}",
                "unknown: AUROC": f"{told('Known or unknown', score=score)['AUROC ↑']:.3f} ({score})",
                "area of the maps": f"{area['mean']:.1%}",
                "training, seconds": f"{run.record['seconds']:.0f}",
            }
        )
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return table("With and without a background class", ["measure", *runs], rows, caption=_CAPTION)


def _told(record: ComparisonRecord, arm: str, title: str, **cells: object) -> dict[str, Any]:
    """The line of a table that is about this arm and has these cells."""
    found = next(one for one in record.tables if one["title"] == title)
    lines = (dict(zip(found["columns"], row, strict=True)) for row in found["rows"])
    return next(line for line in lines if line.items() >= {"arm": arm, **cells}.items())


def _localisation_table(localised: Mapping[str, EvaluationRecord]) -> dict[str, Any]:
    """How well boxes of the maps meet the true ones: a method a line, two columns a network."""
    shown = ("box acc @0.5", "pointing")
    lines: dict[str, list[Any]] = {}
    for record in localised.values():
        first = record.tables[0]
        for row in first["rows"]:
            cells = dict(zip(first["columns"], row, strict=True))
            values = [None if cells[name] is None else f"{cells[name]:.1f} %" for name in shown]
            lines.setdefault(str(row[0]), []).extend(values)
    names = [f"{name}, {arm}" for arm in localised for name in shown]
    caption = _LOCALISED.format(next(iter(localised.values())).images)
    rows = [[name, *values] for name, values in lines.items()]
    return table("Localisation", ["method", *names], rows, caption=caption)


def _figure(picture: Path) -> dict[str, str]:
    """The examples of both networks as a figure of a record."""
    address = base64.b64encode(picture.read_bytes()).decode()
    return {
        "title": "4. With and without a background class: what the two networks look at",
        "caption": "From the left: the image, the map of each network, the concepts of each network.",
        "png": f"data:image/png;base64,{address}",
    }


def _write_images(folder: Path, test: LabeledImages) -> dict[Path, Truth]:
    """Digits that neither network has seen, and the last of them clutter without a digit; what is known of each."""
    folder.mkdir(parents=True, exist_ok=True)
    digits = torch.nonzero(test.labels < test.num_classes).flatten()[:_SHOWN]
    empty = torch.nonzero(test.labels == test.num_classes).flatten()[: max(1, _SHOWN // 8)]
    names = (*test.class_names, "clutter")
    assert test.boxes is not None  # noqa: S101 - generated with boxes
    truths: dict[Path, Truth] = {}
    for number, row in enumerate([*digits.tolist(), *empty.tolist()]):
        name = names[int(test.labels[row])]
        path = folder / f"{number:03d}-{name}.png"
        Image.fromarray(test.pixels[row, 0].numpy()).save(path)
        boxes = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in test.boxes[row])
        truths[path] = Truth(name, boxes)
    return truths
