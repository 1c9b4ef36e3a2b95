"""One folder for each training algorithm: its card, its plain pieces, and what it does at the loop's hooks."""

__all__ = ["ALGORITHMS", "make_algorithms", "resolved"]

from typing import Any

from figureground.base.errors import unknown_option
from figureground.training.algorithm import Algorithm
from figureground.training.algorithms.attribution_prior.algorithm import AttributionPrior
from figureground.training.algorithms.background_class.algorithm import BackgroundClass
from figureground.training.algorithms.background_splitting.algorithm import BackgroundSplitting
from figureground.training.algorithms.background_swap.algorithm import BackgroundSwapping
from figureground.training.algorithms.cam_erasing.algorithm import CamErasing
from figureground.training.algorithms.distillation.algorithm import Distillation
from figureground.training.algorithms.last_layer.algorithm import LastLayer
from figureground.training.algorithms.mask_tune.algorithm import MaskTune
from figureground.training.algorithms.mcmi.algorithm import MCMI
from figureground.training.algorithms.rotation import Rotation
from figureground.training.algorithms.upweight.algorithm import Upweight
from figureground.training.recipe import Recipe, RecipePart, checked

ALGORITHMS: dict[str, type[Algorithm]] = {
    "attribution-prior": AttributionPrior,
    "background-class": BackgroundClass,
    "background-splitting": BackgroundSplitting,
    "background-swap": BackgroundSwapping,
    "cam-erasing": CamErasing,
    "distillation": Distillation,
    "last-layer": LastLayer,
    "mask-tune": MaskTune,
    "mcmi": MCMI,
    "rotation": Rotation,
    "upweight": Upweight,
}


def make_algorithms(recipe: Recipe, num_classes: int) -> list[Algorithm]:
    """The algorithms of a recipe, in its order.

    Args:
        recipe: The recipe.
        num_classes: Classes of the data, without a background class.

    Returns:
        The algorithms.

    Raises:
        OptionError: An unknown algorithm, an unknown option of one, or a value that does not fit.
    """
    return [
        ALGORITHMS[name](_options(name, options), num_classes)
        for entry in recipe.algorithms
        for name, options in entry.items()
    ]


def resolved(recipe: Recipe) -> Recipe:
    """The recipe with every option of its algorithms checked and spelled out.

    Args:
        recipe: As read.

    Returns:
        The full recipe.

    Raises:
        OptionError: An unknown algorithm, an unknown option of one, or a value that does not fit.
    """
    entries: list[dict[str, dict[str, Any]]] = [
        {name: _options(name, options).model_dump(mode="json")}
        for entry in recipe.algorithms
        for name, options in entry.items()
    ]
    return checked(
        Recipe, recipe.model_dump(mode="json") | {"algorithms": entries}, source=recipe.name
    )


def _options(name: str, given: dict[str, Any]) -> RecipePart:
    if name not in ALGORITHMS:
        raise unknown_option("algorithm", name, ALGORITHMS)
    return checked(ALGORITHMS[name].Options, given, source=name)
