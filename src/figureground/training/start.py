"""From a recipe to a run before its first step."""

__all__ = ["start_run"]

from dataclasses import replace
from pathlib import Path

import torch

from figureground.base.errors import OptionError, unknown_option
from figureground.data.splits import random_subset
from figureground.models import Classifier
from figureground.training.algorithm import Algorithm
from figureground.training.algorithms import make_algorithms
from figureground.training.batch_norms import are_folded, give_statistics
from figureground.training.batches import Batches
from figureground.training.recipe import Recipe, is_run, read_recipe
from figureground.training.recipe_data import TrainingData, training_data
from figureground.training.run import Run, launched
from figureground.training.schedules import OPTIMISERS, SCHEDULES
from figureground.training.streams import forked_rng, seed_rng
from figureground.training.trained import make_classifier

_MEASURED = 512  # images


def start_run(
    recipe: Recipe, folder: Path, *, accelerator: str = "auto"
) -> tuple[Run, TrainingData]:
    """Launch the processes, then make data, classifier and algorithms.

    Args:
        recipe: With every default spelled out.
        folder: Where the run is kept.
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Returns:
        The run, and its data in memory.
    """
    fabric = launched(precision=recipe.precision, accelerator=accelerator)
    with forked_rng(fabric.device):
        seed_rng(fabric.device, recipe.seed, "initial weights")
        data, classifier, algorithms = _made(recipe)
        batches = _batches(recipe, data, rank=fabric.global_rank, world=fabric.world_size)
        run = Run.start(
            recipe,
            classifier,
            _placed(batches, fabric.device),
            fabric=fabric,
            folder=folder,
            algorithms=algorithms,
        )
    return run, data


def _made(recipe: Recipe) -> tuple[TrainingData, Classifier, list[Algorithm]]:
    """Data, classifier and algorithms, which need to know each other's sizes."""
    _check_kinds(recipe)
    _check_unseen(recipe)
    data = training_data(recipe.data, seed=recipe.seed)
    algorithms = make_algorithms(recipe, len(data.class_names))
    extra = sum(one.extra_outputs for one in algorithms)
    if extra > 1:
        raise OptionError("two algorithms want a background output of their own; one at a time")
    takes_background = data.has_rare or any(one.takes_background for one in algorithms)
    if data.backgrounds and not takes_background:
        raise OptionError(
            f"{data.backgrounds} training images are background, and no algorithm knows what to do with them: "
            "set data.background=false, or add background-class or background-splitting to the algorithms"
        )
    without = [
        one.name for one in algorithms if one.takes_background and not one.has_own_backgrounds
    ]
    if without and not data.backgrounds:
        raise OptionError(
            f"{without[0]} has nothing to learn from: no training image is background. Give it pools of images "
            "(algorithms.0.background-class.pools), data with backgrounds (data.background=true) or rare classes "
            "(data.rare)"
        )
    background = extra == 1 or data.has_rare
    classifier = make_classifier(recipe.model, data.class_names, background=background)
    data = data.fitted(classifier.preprocessing)
    _check_norms(recipe, data, classifier)
    return data, classifier, algorithms


def _check_kinds(recipe: Recipe) -> None:
    """Refuse an optimiser or a schedule that does not exist, before the images are read."""
    if recipe.optimiser.kind not in OPTIMISERS:
        raise unknown_option("optimiser", recipe.optimiser.kind, OPTIMISERS)
    if recipe.schedule.kind not in SCHEDULES:
        raise unknown_option("schedule", recipe.schedule.kind, SCHEDULES)


def _check_unseen(recipe: Recipe) -> None:
    """Refuse to take for held-out what the run that is trained further was trained on."""
    if recipe.data.use == "training" or not is_run(recipe.model.name):
        return
    earlier = read_recipe(Path(recipe.model.name) / "recipe.yaml")
    if earlier.data.name != recipe.data.name:
        return
    (theirs, told), (ours, here) = _division(earlier), _division(recipe)
    if theirs != ours or earlier.data.use != "training":
        raise OptionError(
            f"data.use: held-out: the run {recipe.model.name} set other images aside. Its data have use: "
            f"{earlier.data.use}, {told}, these {here}"
        )


def _division(recipe: Recipe) -> tuple[tuple[float, float, int], str]:
    """What decides which images are set aside; the same in words."""
    data = recipe.data
    seed = recipe.seed if data.seed is None else data.seed
    return (data.test_fraction, data.val_fraction, seed), (
        f"test_fraction: {data.test_fraction:g}, val_fraction: {data.val_fraction:g} and seed {seed}"
    )


def _check_norms(recipe: Recipe, data: TrainingData, classifier: Classifier) -> None:
    """Refuse trained weights whose batch norms have no statistics, or measure them if asked."""
    spec = recipe.model
    if spec.batch_norms == "measured":
        rows = random_subset(len(data.labels), _MEASURED, seed=recipe.seed)
        give_statistics(classifier, data.images[rows].float().div_(255))
    trained = spec.weights or spec.pretrained or is_run(spec.name)
    if spec.batch_norms is None and trained and are_folded(classifier.network):
        raise OptionError(
            "the batch norms of these weights hold no statistics (mean 0, variance 1): they were folded away, and "
            "training would destroy what the network has learnt. model.batch_norms=measured gives them statistics of "
            "the training images first; model.batch_norms=kept trains them as they are"
        )


def _batches(recipe: Recipe, data: TrainingData, *, rank: int, world: int) -> Batches:
    return Batches(
        data.images,
        data.labels,
        recipe.batch_size,
        recipe.seed,
        crop_padding=recipe.augmentation.crop_padding,
        flip=recipe.augmentation.flip,
        rank=rank,
        world=world,
        accumulate=recipe.accumulate,
        channels_last=recipe.channels_last,
        boxes=data.train.boxes,
        value_range=data.value_range,
        contexts=data.train.contexts,
    )


def _placed(batches: Batches, device: torch.device) -> Batches:
    """The images on the device where they take at most half of its free memory, else batch by batch."""
    fits = True
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        fits = batches.images.numel() < free / 2
    if fits:
        images, labels = batches.images.to(device), batches.labels.to(device)
        return replace(batches, images=images, labels=labels, device=device)
    return replace(batches, device=device)
