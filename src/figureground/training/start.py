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
from figureground.training.loading import default_workers
from figureground.training.mixing import Mixing
from figureground.training.recipe import Recipe, is_run, read_recipe
from figureground.training.recipe_data import TrainingData, training_data
from figureground.training.run import Run, launched
from figureground.training.schedules import OPTIMISERS, SCHEDULES
from figureground.training.streams import forked_rng, seed_rng
from figureground.training.trained import at_key, make_classifier
from figureground.training.transforms import Transforms, check_names, split_mixing

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
        data, classifier, algorithms, transforms = _made(recipe)
        batches = _batches(
            recipe, data, transforms, rank=fabric.global_rank, world=fabric.world_size
        )
        if transforms is not None:
            batches = replace(batches, geometry=any(one.follows_images for one in algorithms))
        run = Run.start(
            recipe,
            classifier,
            _placed(batches, fabric.device),
            fabric=fabric,
            folder=folder,
            algorithms=algorithms,
        )
        if mixing := split_mixing(recipe.augmentation.transforms)[1]:
            run.mixing = Mixing(mixing, len(classifier.class_names or ()))
    return run, data


def _made(
    recipe: Recipe,
) -> tuple[TrainingData, Classifier, list[Algorithm], Transforms | None]:
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
    with at_key("model", recipe.model.weights):
        classifier = make_classifier(recipe.model, data.class_names, background=background)
    transforms = _transforms(recipe, classifier)
    _check_together(recipe, algorithms, transforms)
    data = data.fitted(
        classifier.preprocessing,
        storage=recipe.data.storage,
        from_original=transforms is not None and transforms.from_original,
    )
    _check_norms(recipe, data, classifier)
    return data, classifier, algorithms, transforms


def _transforms(recipe: Recipe, classifier: Classifier) -> Transforms | None:
    """Of one image; None where the recipe names none."""
    entries, _ = split_mixing(recipe.augmentation.transforms)
    preprocessing = classifier.preprocessing
    return Transforms(entries, preprocessing.size, preprocessing.channels) if entries else None


def _check_together(
    recipe: Recipe, algorithms: list[Algorithm], transforms: Transforms | None
) -> None:
    """Refuse transforms and compiling where an algorithm cannot follow."""
    lost = transforms and transforms.without_geometry()
    for one in algorithms:
        if lost and one.follows_images:
            raise OptionError(
                f"augmentation.transforms: {lost} does not tell where it moves what, and {one.name} has maps or boxes "
                "that must move as the images do. RandomResizedCrop, flips, rotations and colour transforms do"
            )
        if recipe.compile and one.looks_inside:
            raise OptionError(
                f"compile: {one.name} looks inside the network while it runs; leave one of them out"
            )
    if algorithms and split_mixing(recipe.augmentation.transforms)[1]:
        raise OptionError(
            f"augmentation.transforms: MixUp and CutMix mix the labels of two images, which {algorithms[0].name} "
            "cannot take; leave one of them out"
        )


def _check_kinds(recipe: Recipe) -> None:
    """Refuse an optimiser or a schedule that does not exist, before the images are read."""
    if recipe.optimiser.kind not in OPTIMISERS:
        raise unknown_option("optimiser", recipe.optimiser.kind, OPTIMISERS)
    if recipe.schedule.kind not in SCHEDULES:
        raise unknown_option("schedule", recipe.schedule.kind, SCHEDULES)
    check_names(recipe.augmentation.transforms)


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


def _batches(
    recipe: Recipe, data: TrainingData, transforms: Transforms | None, *, rank: int, world: int
) -> Batches:
    workers = default_workers() if recipe.data.workers is None else recipe.data.workers
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
        transforms=transforms,
        workers=max(1, workers // world) if workers else 0,
    )


def _placed(batches: Batches, device: torch.device) -> Batches:
    """The images on the device where they take at most half of its free memory, else batch by batch."""
    labels = batches.labels.to(device)
    images, fits = batches.images, batches.transforms is None
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        fits = fits and isinstance(images, torch.Tensor) and images.numel() < free / 2
    if fits and isinstance(images, torch.Tensor):
        images = images.to(device)
    return replace(batches, images=images, labels=labels, device=device)
