"""Train a classifier: a visible loop, and algorithms that are told of five moments."""

__all__ = ["Algorithm", "Batches", "Recipe", "Run", "Validation", "fit", "read_recipe", "validate"]

from figureground.training.algorithm import Algorithm
from figureground.training.batches import Batches
from figureground.training.recipe import Recipe, read_recipe
from figureground.training.run import Run
from figureground.training.trainer import Validation, fit, validate
