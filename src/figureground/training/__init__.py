"""Train a classifier: a visible loop, and algorithms that are told of five moments."""

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "BackgroundClassLoss",
    "BackgroundClassifier",
    "Batches",
    "EnergyMarginLoss",
    "EntropicOpenSetLoss",
    "ObjectosphereLoss",
    "Recipe",
    "Run",
    "UniformOELoss",
    "Validation",
    "fit",
    "launched",
    "make_algorithms",
    "read_recipe",
    "validate",
]

from figureground.training.algorithm import Algorithm
from figureground.training.algorithms import ALGORITHMS, make_algorithms
from figureground.training.algorithms.background_class import (
    BackgroundClassifier,
    BackgroundClassLoss,
    EnergyMarginLoss,
    EntropicOpenSetLoss,
    ObjectosphereLoss,
    UniformOELoss,
)
from figureground.training.batches import Batches
from figureground.training.recipe import Recipe, read_recipe
from figureground.training.run import Run, launched
from figureground.training.trainer import Validation, fit, validate
