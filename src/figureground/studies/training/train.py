"""Train a classifier by a recipe, into a folder with all that it takes to use, judge or repeat it."""

__all__ = ["TrainRecord", "train"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from figureground.base.errors import DataError, OptionError
from figureground.base.progress import Progress, no_progress
from figureground.base.record import Provenance, provenance, write_json
from figureground.training.algorithms import resolved
from figureground.training.checkpoint import load_checkpoint
from figureground.training.recipe import Recipe, read_recipe, write_recipe
from figureground.training.recipe_data import TrainingData
from figureground.training.run import Run
from figureground.training.start import start_run
from figureground.training.tensorboard import tensorboard_writer
from figureground.training.trainer import Validation, fit, validate
from figureground.training.trust import trusting


@dataclass(frozen=True)
class TrainRecord:
    """What a finished training run is known by; written last.

    Args:
        recipe: With every default spelled out.
        data: Images of training and validation, classes, and what reading them noted.
        parameters: Trained numbers of the classifier, heads of algorithms left out.
        steps: Batches.
        images: Images of all batches, backgrounds left out.
        seconds: Spent in training steps.
        best: Validation ``accuracy`` of ``best.safetensors``; its ``mean_ap`` where rare classes are sought.
        last: Validation ``accuracy`` and ``loss`` of ``last.safetensors``, both over the known classes; with rare
            classes over these and the background, and ``mean_ap``.
        device: Where it ran.
        processes: How many shared the work.
        provenance: Command, versions, seeds.
        schema: Version of this form.
        kind: ``train``.
    """

    recipe: dict[str, Any]
    data: dict[str, Any]
    parameters: int
    steps: int
    images: int
    seconds: float
    best: float
    last: dict[str, float]
    device: str
    processes: int
    provenance: Provenance
    schema: int = 2
    kind: str = "train"


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    accelerator: str = "auto",
    progress: Progress = no_progress,
    trust_code: bool = False,
) -> TrainRecord:
    """Train as the recipe says; validation images come from the training part, and nothing takes a test set.

    The folder holds ``recipe.yaml`` (every default spelled out), ``classes.json``, ``best.safetensors``,
    ``last.safetensors``, ``history.csv``, ``resume.pt`` and, once it is finished, ``record.json``.

    Args:
        recipe: The recipe.
        out: The folder.
        resume: Go on in a folder that holds a run of this recipe; it ends with the numbers of an uninterrupted run.
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: As for ``fit``.
        trust_code: Whether code may run that folders of other runs name (a teacher's, a model's that is trained on).

    Returns:
        The record.
    """
    recipe = resolved(recipe)
    _check_folder(recipe, out, resume=resume)
    with trusting(trust_code):
        run, data = start_run(recipe, out, accelerator=accelerator)
    fabric = run.fabric
    fabric.barrier()  # every process has looked into the folder before the first one writes
    if resume and (out / "resume.pt").exists():
        load_checkpoint(run)
    if fabric.is_global_zero:
        run.history.cut_after(run.step)
        run.history.writer = tensorboard_writer(out, run.step)
        write_json(out / "classes.json", list(data.class_names))
        write_recipe(recipe, out / "recipe.yaml")
    classes = len(data.class_names)
    held = Validation(data.val_images, data.val_labels, classes, classes if data.has_rare else 0)
    fit(run, held, progress)
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


def _record(run: Run, data: TrainingData, held: Validation) -> TrainRecord:
    last = validate(run.trained, held)
    trained: Sequence[torch.nn.Parameter] = [p for p in run.network.parameters() if p.requires_grad]
    return TrainRecord(
        recipe=run.recipe.model_dump(mode="json"),
        data=_facts(run, data),
        parameters=sum(p.numel() for p in trained),
        steps=run.step,
        images=run.step * run.batches.size,
        seconds=run.seconds,
        best=run.best,
        last=last,
        device=str(run.device),
        processes=run.fabric.world_size,
        provenance=provenance(seeds=(run.recipe.seed,)),
    )


def _facts(run: Run, data: TrainingData) -> dict[str, Any]:
    """What is to be kept of the images, and of what the algorithms made of them."""
    described = data.description()
    told = {one.name: one.description() for one in run.algorithms if one.description()}
    warnings = [str(word) for one in told.values() for word in one.get("warnings", ())]
    lost = [str(word) for one in told.values() for word in one.get("left_out", ())]
    return described | {
        "algorithms": told,
        "notes": [*described["notes"], *warnings],
        "left_out": [*described["left_out"], *lost],
    }
