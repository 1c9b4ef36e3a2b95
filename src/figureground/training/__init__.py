"""Train a classifier: a visible loop, and algorithms that act at seven hooks of it.

The engine's names are exported here. The losses, heads and other pieces of an algorithm lie under its name, for
example ``figureground.training.distillation.KDLoss``.
"""

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Batches",
    "Recipe",
    "Run",
    "Validation",
    "attribution_prior",
    "background_class",
    "background_splitting",
    "background_swap",
    "cam_erasing",
    "distillation",
    "fit",
    "last_layer",
    "launched",
    "load_trained",
    "make_algorithms",
    "mask_tune",
    "mcmi",
    "read_recipe",
    "rotation",
    "upweight",
    "validate",
]

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from figureground.training.algorithm import Algorithm
    from figureground.training.algorithms import (
        ALGORITHMS,
        attribution_prior,
        background_class,
        background_splitting,
        background_swap,
        cam_erasing,
        distillation,
        last_layer,
        make_algorithms,
        mask_tune,
        mcmi,
        rotation,
        upweight,
    )
    from figureground.training.batches import Batches
    from figureground.training.recipe import Recipe, read_recipe
    from figureground.training.run import Run, launched
    from figureground.training.trained import load_trained
    from figureground.training.trainer import Validation, fit, validate

_ENGINE = {
    "ALGORITHMS": "algorithms",
    "Algorithm": "algorithm",
    "Batches": "batches",
    "Recipe": "recipe",
    "Run": "run",
    "Validation": "trainer",
    "fit": "trainer",
    "launched": "run",
    "load_trained": "trained",
    "make_algorithms": "algorithms",
    "read_recipe": "recipe",
    "validate": "trainer",
}


def __getattr__(name: str) -> object:
    """Import the module of a name when it is first used: torch and Fabric take seconds to import."""
    if name in _ENGINE:
        return getattr(import_module(f"{__name__}.{_ENGINE[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.algorithms.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
