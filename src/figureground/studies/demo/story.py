"""The first half of the demo: a network that rests on the background is found out, treated, and looked at again."""

__all__ = ["Story", "tell_story"]

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from figureground.base.progress import Progress
from figureground.data.loaders import LoadOptions, load_dataset
from figureground.maps.image_files import png_bytes
from figureground.metrics.reliance import composite
from figureground.models.predicting import predict
from figureground.studies.answers import Answer, Bar
from figureground.studies.comparison.compare import compare
from figureground.studies.comparison.options import (
    BackgroundSection,
    CompareOptions,
    ComparisonRecord,
)
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.diagnosis.scenes import Scenes, read_scenes
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.image_set import open_images
from figureground.studies.evaluation.tables import table
from figureground.studies.models import LoadedModel
from figureground.studies.training.runs import TrainedRun, load_run
from figureground.studies.training.train import train
from figureground.training.recipe import Recipe, read_recipe
from figureground.training.shipped import recipe_path

_NAMES = ("plain", "background-swap")
_MEASURED = 300
_EPOCHS, _FEWEST = 8, 1000  # with fewer images a network learns neither digits nor photographs
_SHOWN, _BACKGROUNDS, _PER_CLASS = 6, 4, 3
_RIGHT, _WRONG, _FRAME, _GAP = (30, 132, 73), (192, 57, 43), 3, 6
_CAPTION = (
    "Digits on crops of photographs that scikit-image ships; in 95 % of the training images the photograph is that of "
    "the digit's class. {} unseen digits on unseen parts of the photographs, drawn alike; all numbers are on the pages "
    "in diagnosis and treatment. What the treated network loses on images drawn alike was never skill: the plain "
    "one answers by the photograph."
)
_COMPARED = CompareOptions(
    background=True, ood=("none",), corrupted=0, maps=0, examples=4, limit=_MEASURED
)
_DIAGNOSED = (
    "Unseen digits: as they are, then on photographs of other classes. Green: the answer is the digit; red: it is not. "
    "The plain network answers by the photograph."
)
_TREATED = "The same images, asked of the network that was trained with background-swap."


@dataclass(frozen=True)
class Story:
    """What the page tells.

    Args:
        answer: What the page leads with: one sentence each after and before the treatment.
        table: Before and after.
        figures: Title, caption and ``data:`` address, in order.
        verdicts: Before and after.
    """

    answer: Answer
    table: dict[str, Any]
    figures: tuple[dict[str, str], ...]
    verdicts: tuple[str, str]


def tell_story(out: Path, *, seed: int, samples: int, progress: Progress) -> Story:
    """Train on photographs that tell the class, diagnose, treat as recommended, compare.

    Args:
        out: The folder; networks go to ``runs``, the diagnosis to ``diagnosis``, the proof to ``treatment``.
        seed: For data, weights and training.
        samples: Training images shown to each of both networks; 8,000 at least.
        progress: Called throughout.

    Returns:
        The story.
    """
    folders = [out / "runs" / f"photos-{name}" for name in _NAMES]
    own = _recipe(seed=seed, samples=samples)
    plain = _trained(_NAMES[0], folders[0], recipe=own, progress=progress)
    found = diagnose_images(
        LoadedModel(plain.classifier, plain),
        out=out / "diagnosis",
        options=DiagnoseOptions(cells=40, examples=_SHOWN, seed=seed),
        data_options=DataOptions(limit=_MEASURED, seed=seed),
        progress=progress,
    )
    treatment = read_recipe(out / "diagnosis" / "treatment.yaml") if found.recipe else own
    treated = _trained(_NAMES[1], folders[1], recipe=treatment, progress=progress)
    compared = compare(
        {name: [folder] for name, folder in zip(_NAMES, folders, strict=True)},
        out=out / "treatment",
        options=replace(_COMPARED, seed=seed),
        checkpoint="last",
        progress=progress,
    )
    assert compared.background is not None  # noqa: S101 - it was asked
    told = compared.background.verdicts[0]
    return Story(
        answer=_answer(compared.background, found.verdict),
        table=_table(compared),
        figures=(
            _training_figure(seed),
            *_composite_figures(out, (plain, treated), seed=seed, progress=progress),
        ),
        verdicts=(found.word, told["word"]),
    )


def _answer(section: BackgroundSection, verdict: str) -> Answer:
    """The cure first, then what was found before it; the figure shows the numbers of the first sentence."""
    bars = [
        Bar(arm, 100 * value, 100 * low, 100 * high)
        for arm, (value, low, high) in section.largest.items()
    ]
    return Answer(
        sentences=(
            f"The treatment that the diagnosis recommends: {section.verdicts[0]['short']}",
            f"Before it, trained where the photograph behind a digit tells the class, a network {verdict}.",
        ),
        title="What is lost on photographs of other classes",
        label="points of accuracy, along the mask where it is most; 95 % intervals",
        rows=tuple(bars),
        band=Bar("nothing", 0.0, 0.0, 0.0),
        better="lower",
    )


def _trained(name: str, folder: Path, *, recipe: Recipe, progress: Progress) -> TrainedRun:
    """One network; a finished run is taken as it is."""

    def report(_stage: str, done: int, total: int) -> None:
        progress(f"training on photographs, {name}", done, total)

    train(recipe, folder, resume=(folder / "recipe.yaml").exists(), progress=report)
    return load_run(folder, "last")


def _recipe(*, seed: int, samples: int) -> Recipe:
    """The shipped recipe on photographs, without its treatment."""
    changes = [
        f"seed={seed}",
        f"epochs={_EPOCHS}",
        "precision=bf16-mixed",
        "name=photographs",
        "data.name=planted-photos",
        f"data.count={max(_FEWEST, samples // _EPOCHS)}",
        "model.preprocessing.size=[64, 64]",
        "algorithms=[]",
    ]
    return read_recipe(recipe_path("background-swap"), changes)


def _table(compared: ComparisonRecord) -> dict[str, Any]:
    """A measure a line, before and after."""
    tables = {one["title"]: one for one in compared.tables}
    arms = {row[0]: row for row in tables["On other backgrounds"]["rows"]}
    names = tables["On other backgrounds"]["columns"]
    lines = {
        "verdict": "verdict",
        "accuracy ↑": "accuracy on images drawn alike",
        "v11": "accuracy on other photographs of the class",
        "v10 ↑": "accuracy on photographs of other classes",
        "pull ↓": "how much a photograph draws other digits to its class",
        "share ↓": "share of the background in what the network knows",
    }
    rows: list[list[Any]] = [
        [words, *(arms[name][names.index(key)] for name in _NAMES)] for key, words in lines.items()
    ]
    gaps = {(row[0], row[1]): row[3:6] for row in tables["The gap along three masks"]["rows"]}
    for mask in ("given", "outer", "inner"):
        cells = ["{:.2f} [{:.2f}, {:.2f}]".format(*gaps[name, mask]) for name in _NAMES]
        rows.append([f"gap between both, along {mask} masks", *cells])
    caption = _CAPTION.format(_MEASURED)
    return table("Found out, treated, proven", ["measure", *_NAMES], rows, caption=caption)


def _training_figure(seed: int) -> dict[str, str]:
    """What both networks learn from: a column for each class."""
    data = load_dataset("planted-photos", part="train", options=LoadOptions(seed=seed, count=400))
    columns = []
    for label in range(data.num_classes):
        rows = (data.labels == label).nonzero().flatten()[:_PER_CLASS]
        columns.append([data.pixels[int(row)] for row in rows])
    return {
        "title": "1. The training images",
        "caption": "Each digit has its own photograph, in 95 % of the images: a network can do without the digits.",
        "png": _sheet(list(zip(*columns, strict=True)), None),
    }


def _composite_figures(
    out: Path, runs: Sequence[TrainedRun], *, seed: int, progress: Progress
) -> tuple[dict[str, str], ...]:
    """The same digits on the same backgrounds, with the answers of the network before and after."""
    options = DataOptions(limit=_MEASURED, seed=seed)
    images = open_images(None, runs[0].classifier, options, run=runs[0])
    with tempfile.TemporaryDirectory(dir=out) as folder:
        scenes = read_scenes(images, Path(folder), fill="impute", progress=progress)
        try:
            made, labels = _composites(scenes)
        finally:
            scenes.close()
    titles = (("2. The diagnosis", _DIAGNOSED), ("3. After the treatment", _TREATED))
    figures = []
    for run, (title, caption) in zip(runs, titles, strict=True):
        best = predict(run.classifier, made.flatten(0, 1))[:, : run.num_classes].argmax(1)
        right = best.view(made.shape[:2]) == labels[:, None]
        figures.append({"title": title, "caption": caption, "png": _sheet(list(made), right)})
    return tuple(figures)


def _composites(scenes: Scenes) -> tuple[Tensor, Tensor]:
    """Bytes ``(shown, 1 + backgrounds, 3, H, W)``: the original, then others' backgrounds; and the labels."""
    classes = torch.unique(scenes.labels)
    rows = [int((scenes.labels == label).nonzero()[0]) for label in classes[:_SHOWN]]
    donors = [int((scenes.labels == label).nonzero()[1]) for label in classes]
    made = []
    for at, row in enumerate(rows):
        one = torch.tensor([row])
        cells = [scenes.images(one)[0]]
        for step in range(_BACKGROUNDS):
            donor = torch.tensor([donors[(at + 2 * step + 1) % len(donors)]])
            cells.append(
                composite(
                    scenes.images(one),
                    scenes.objects(one, "given"),
                    scenes.without_objects(donor, "given"),
                )[0]
            )
        made.append(torch.stack(cells))
    return (torch.stack(made) * 255).round().to(torch.uint8), scenes.labels[rows]


def _sheet(rows: Sequence[Sequence[Tensor] | Tensor], right: Tensor | None) -> str:
    """Pictures side by side, framed green or red where answers are given, as a ``data:`` address."""
    side = int(rows[0][0].shape[1])
    step = side + 2 * _FRAME + _GAP
    sheet = Image.new("RGB", (step * len(rows[0]) + _GAP, step * len(rows) + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for at, row in enumerate(rows):
        for number, pixels in enumerate(row):
            x, y = _GAP + number * step, _GAP + at * step
            if right is not None:
                colour = _RIGHT if bool(right[at, number]) else _WRONG
                draw.rectangle(
                    (x, y, x + side + 2 * _FRAME - 1, y + side + 2 * _FRAME - 1), fill=colour
                )
            sheet.paste(Image.fromarray(pixels.permute(1, 2, 0).numpy()), (x + _FRAME, y + _FRAME))
    return "data:image/png;base64," + base64.b64encode(png_bytes(np.asarray(sheet))).decode()
