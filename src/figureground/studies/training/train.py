"""Train a classifier by a recipe, into a folder with all that it takes to use, judge or repeat it."""

__all__ = ["TrainRecord", "train"]

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from figureground.base.claim import claimed
from figureground.base.errors import DataError, OptionError
from figureground.base.identity import digest
from figureground.base.progress import Progress, no_progress
from figureground.base.record import Provenance, provenance, write_json
from figureground.data.lazy import LazyImages
from figureground.metrics.classification import expected_random_ap, highest_by_chance
from figureground.studies.answers import Answer
from figureground.studies.training.looked_at import look_at
from figureground.training.algorithms import resolved
from figureground.training.checkpoint import load_checkpoint, save_checkpoint
from figureground.training.loggers import logging_to, refuse_absent
from figureground.training.recipe import Recipe, read_recipe, write_recipe
from figureground.training.recipe_data import TrainingData
from figureground.training.run import Run
from figureground.training.start import start_run
from figureground.training.trainer import Validation, fit, validate
from figureground.training.trust import trusting

_RESULTS = ("recipe.yaml", "best.safetensors", "last.safetensors", "history.csv", "record.json")
_NOTHING_LEARNT = (
    "the best validation result is not above chance: the network has learnt nothing, and its maps tell nothing. Try "
    "another optimiser.lr, more epochs or more images"
)
_FILES = (
    *(*_RESULTS, "classes.json", "resume.pt", "report.html", "tables.md"),
    *("tensorboard", "wandb", "mlflow"),
)


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
        answer: What the page leads with.
        tables: Of the validation images: the classes, and what was taken for what.
        worst: Validation images whose class got the least probability: ``label``, ``predicted``, ``probability`` and
            ``picture``, a data address.
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
    answer: Answer | None = None
    tables: tuple[dict[str, Any], ...] = ()
    worst: tuple[dict[str, Any], ...] = ()
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
            Processes of ``torchrun`` go on with an unfinished one in any case: when one of them or a machine is lost,
            all are started again by the same command.
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        progress: As for ``fit``.
        trust_code: Whether code may run that folders of other runs name (a teacher's, a model's that is trained on).

    Returns:
        The record.

    Raises:
        OptionError: The folder holds a run already, or another one; a logger is not installed; or the run diverges.
        DataError: The folder holds something else, is in use, cannot be written to, or its run cannot be resumed: what
            it stood on has changed or is damaged.
    """
    recipe = resolved(recipe)
    refuse_absent(recipe.loggers)
    resume = resume or _is_restarted(recipe, out)
    is_first = os.environ.get("RANK", "0") == "0"  # of several processes one holds the folder
    with claimed(out, "train", writes=_FILES) if is_first else nullcontext() as claim:
        _check_folder(recipe, out, resume=resume)
        with trusting(trust_code):
            run, data = start_run(recipe, out, accelerator=accelerator)
        run.fabric.barrier()  # every process has looked into the folder before the first one writes
        classes, chosen_on = len(data.class_names), data.val
        for algorithm in run.algorithms:
            chosen_on = algorithm.change_validation(chosen_on, run)
        rare = classes if data.has_rare else 0
        assert not isinstance(chosen_on.images, LazyImages)  # noqa: S101 - brought to one size
        held = Validation(chosen_on.images, chosen_on.labels, classes, rare)
        run.identity["validation images"] = held.identity()
        if claim is not None:
            claim.mark({"recipe": recipe.name, "job": digest(recipe.model_dump_json())})
        if resume:
            load_checkpoint(run)
        _begin(run, data, resumed=resume)
        with logging_to(run):
            fit(run, held, progress)
        record = _record(run, data, held)
        if run.fabric.is_global_zero:
            write_json(out / "record.json", record)
    return record


def _is_restarted(recipe: Recipe, out: Path) -> bool:
    """Whether torchrun has started this process to go on with its unfinished run."""
    # its count of restarts is that of one machine: another one's loss is not in it
    stored = out / "recipe.yaml"
    if "TORCHELASTIC_RUN_ID" not in os.environ or not stored.exists():
        return False
    return not (out / "record.json").exists() and read_recipe(stored) == recipe


def _begin(run: Run, data: TrainingData, *, resumed: bool) -> None:
    """What the folder holds before the first step; the recipe last, which makes it a run that can be resumed."""
    if not resumed:
        if run.fabric.is_global_zero:
            run.history.restore(b"")
        save_checkpoint(run)
    if run.fabric.is_global_zero:
        write_json(run.folder / "classes.json", list(data.class_names))
        write_recipe(run.recipe, run.folder / "recipe.yaml")


def _check_folder(recipe: Recipe, out: Path, *, resume: bool) -> None:
    """A folder with another run in it is left alone, and one without a run cannot be resumed."""
    stored = out / "recipe.yaml"
    if resume and not stored.exists():
        raise DataError(f"{out} holds no run to resume: there is no {stored.name}")
    if resume and read_recipe(stored) != recipe:
        raise OptionError(f"{out} holds a run of another recipe; start in another folder")
    if not resume and any((out / name).exists() for name in _RESULTS):
        raise OptionError(
            f"{out} already holds a run; go on with it (--resume) or take another folder"
        )


def _record(run: Run, data: TrainingData, held: Validation) -> TrainRecord:
    held = held.without_damaged()
    last = validate(run.trained, held)
    seen = look_at(run.trained, held, data.class_names, best=run.best, seed=run.recipe.seed)
    trained: Sequence[torch.nn.Parameter] = [p for p in run.network.parameters() if p.requires_grad]
    return TrainRecord(
        recipe=run.recipe.model_dump(mode="json"),
        data=_facts(run, data, learnt=_has_learnt(run, held)),
        parameters=sum(p.numel() for p in trained),
        steps=run.step,
        images=run.step * run.batches.size,
        seconds=run.seconds,
        best=run.best,
        last=last,
        device=str(run.device),
        processes=run.fabric.world_size,
        provenance=provenance(seeds=(run.recipe.seed,)),
        answer=seen.answer,
        tables=seen.tables,
        worst=seen.worst,
    )


def _has_learnt(run: Run, held: Validation) -> bool:
    """Whether the best weights do better than by chance; of rare classes, than images in any order would."""
    if held.rare:
        counts = held.labels.bincount(minlength=held.rare)[: held.rare].tolist()
        chance = [expected_random_ap(one, len(held.labels)) for one in counts if one]
        return run.best > sum(chance) / max(1, len(chance))
    return run.best > highest_by_chance(held.labels)


def _facts(run: Run, data: TrainingData, *, learnt: bool) -> dict[str, Any]:
    """What is to be kept of the images, and of what the algorithms made of them."""
    described = data.description()
    if not learnt:
        described["notes"].append(_NOTHING_LEARNT)
    told = {one.name: one.description() for one in run.algorithms if one.description()}
    warnings = [str(word) for one in told.values() for word in one.get("warnings", ())]
    lost = [str(word) for one in told.values() for word in one.get("left_out", ())]
    return described | {
        "algorithms": told,
        "notes": [*described["notes"], *warnings],
        "left_out": [*described["left_out"], *lost],
    }
