"""Train a classifier by a recipe, into a folder with all that it takes to use, judge or repeat it."""

__all__ = ["TrainRecord", "TrainWatch", "train"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from figureground.base.errors import DataError, OptionError
from figureground.base.record import Provenance, provenance, write_json
from figureground.models import Classifier
from figureground.studies.training_data import TrainingData, training_data
from figureground.training.algorithm import Algorithm
from figureground.training.algorithms import make_algorithms, resolved
from figureground.training.batches import Batches
from figureground.training.board import tensor_board
from figureground.training.checkpoint import load_checkpoint
from figureground.training.network import make_classifier
from figureground.training.recipe import Recipe, read_recipe, write_recipe
from figureground.training.run import Run, launched
from figureground.training.streams import borrowed_numbers, set_numbers
from figureground.training.trainer import Validation, fit, validate

TrainWatch = Callable[[Run, dict[str, float]], None]
"""Called after every batch; with the logged numbers where some were logged."""


@dataclass(frozen=True)
class TrainRecord:
    """What a finished training run is known by; written last.

    Args:
        recipe: With every default spelled out.
        data: Pictures of training and validation, classes, and what reading them noted.
        parameters: Trained numbers of the classifier, heads of algorithms left out.
        steps: Batches.
        pictures: Of all batches, backgrounds left out.
        seconds: Spent in training steps.
        best: Validation ``accuracy`` of ``best.safetensors``; its ``mean_ap`` where rare classes are sought.
        last: Validation ``accuracy`` and ``loss`` of ``last.safetensors``, both over the known classes; with rare
            classes over these and the background, and ``mean_ap``.
        device: Where it ran.
        processes: How many shared the work.
        provenance: Command, versions, seeds.
        schema: Version of this form.
    """

    recipe: dict[str, Any]
    data: dict[str, Any]
    parameters: int
    steps: int
    pictures: int
    seconds: float
    best: float
    last: dict[str, float]
    device: str
    processes: int
    provenance: Provenance
    schema: int = 1


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    accelerator: str = "auto",
    watch: TrainWatch | None = None,
) -> TrainRecord:
    """Train as the recipe says; validation pictures come from the training part, and nothing takes a test set.

    The folder holds ``recipe.yaml`` (every default spelled out), ``classes.json``, ``best.safetensors``,
    ``last.safetensors``, ``history.csv``, ``resume.pt`` and, once it is finished, ``record.json``.

    Args:
        recipe: The recipe.
        out: The folder.
        resume: Go on in a folder that holds a run of this recipe; it ends with the numbers of an uninterrupted run.
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        watch: Told after every batch.

    Returns:
        The record.
    """
    recipe = resolved(recipe)
    _check_folder(recipe, out, resume=resume)
    fabric = launched(precision=recipe.precision, accelerator=accelerator)
    with borrowed_numbers(fabric.device):
        set_numbers(fabric.device, recipe.seed, "initial weights")
        data, classifier, algorithms = _made(recipe)
        batches = _batches(recipe, data, rank=fabric.global_rank, world=fabric.world_size)
        run = Run.start(
            recipe, classifier, _placed(batches, fabric.device), fabric=fabric, folder=out, algorithms=algorithms
        )  # fmt: skip
    fabric.barrier()  # every process has looked into the folder before the first one writes
    if resume and (out / "resume.pt").exists():
        load_checkpoint(run)
    if fabric.is_global_zero:
        run.history.cut_after(run.step)
        run.history.board = tensor_board(out, run.step)
        write_json(out / "classes.json", list(data.class_names))
        write_recipe(recipe, out / "recipe.yaml")
    classes = len(data.class_names)
    held = Validation(data.val_images, data.val_labels, classes, classes if data.has_rare else 0)
    fit(run, held, watch)
    record = _record(run, data, held)
    if fabric.is_global_zero:
        write_json(out / "record.json", record)
    return record


def _check_folder(recipe: Recipe, out: Path, *, resume: bool) -> None:
    """A folder with another run in it is left alone, and one without a run cannot be resumed."""
    stored = out / "recipe.yaml"
    if resume and not stored.exists():
        raise DataError(f"{out} holds no run to resume: there is no {stored.name}")
    if resume and read_recipe(stored) != recipe:
        raise OptionError(f"{out} holds a run of another recipe; start in another folder")
    if not resume and stored.exists():
        raise OptionError(
            f"{out} already holds a run; go on with it (--resume) or take another folder"
        )


def _made(recipe: Recipe) -> tuple[TrainingData, Classifier, list[Algorithm]]:
    """Data, classifier and algorithms, which need to know each other's sizes."""
    data = training_data(recipe.data, seed=recipe.seed)
    algorithms = make_algorithms(recipe, len(data.class_names))
    extra = sum(one.extra_outputs for one in algorithms)
    if extra > 1:
        raise OptionError("two algorithms want a background output of their own; one at a time")
    takes_background = data.has_rare or any(one.takes_background for one in algorithms)
    if data.backgrounds and not takes_background:
        raise OptionError(
            f"{data.backgrounds} training pictures are background, and no algorithm knows what to do with them: "
            "set data.background=false, or add background-class or background-splitting to the algorithms"
        )
    background = extra == 1 or data.has_rare
    classifier = make_classifier(recipe.model, data.class_names, background=background)
    return data.fitted(classifier.preprocessing), classifier, algorithms


def _batches(recipe: Recipe, data: TrainingData, *, rank: int, world: int) -> Batches:
    return Batches(
        data.images,
        data.labels,
        recipe.batch_size,
        recipe.seed,
        pad=recipe.augmentation.pad,
        mirror=recipe.augmentation.mirror,
        rank=rank,
        world=world,
        accumulate=recipe.accumulate,
        channels_last=recipe.channels_last,
    )


def _placed(batches: Batches, device: torch.device) -> Batches:
    """The pictures on the device where they take at most half of its free memory, else batch by batch."""
    fits = True
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        fits = batches.images.numel() < free / 2
    if fits:
        images, labels = batches.images.to(device), batches.labels.to(device)
        return replace(batches, images=images, labels=labels, device=device)
    return replace(batches, device=device)


def _record(run: Run, data: TrainingData, held: Validation) -> TrainRecord:
    last = validate(run.trained, held)
    trained: Sequence[torch.nn.Parameter] = [p for p in run.network.parameters() if p.requires_grad]
    return TrainRecord(
        recipe=run.recipe.model_dump(mode="json"),
        data=_facts(run, data),
        parameters=sum(p.numel() for p in trained),
        steps=run.step,
        pictures=run.step * run.batches.size,
        seconds=run.seconds,
        best=run.best,
        last=last,
        device=str(run.device),
        processes=run.fabric.world_size,
        provenance=provenance(seeds=(run.recipe.seed,)),
    )


def _facts(run: Run, data: TrainingData) -> dict[str, Any]:
    """What is to be kept of the pictures, and of what the algorithms made of them."""
    facts = data.facts()
    told = {one.name: one.facts() for one in run.algorithms if one.facts()}
    warnings = [str(word) for one in told.values() for word in one.get("warnings", ())]
    return facts | {"algorithms": told, "notes": [*facts["notes"], *warnings]} if told else facts
