"""The background class and its rivals as plain PyTorch pieces; the card beside this page says what to expect."""

__all__ = [
    "BackgroundClassLoss",
    "BackgroundClassifier",
    "EnergyMarginLoss",
    "UniformOELoss",
]

from figureground.training.algorithms.background_class.inference import BackgroundClassifier
from figureground.training.algorithms.background_class.losses import BackgroundClassLoss
from figureground.training.algorithms.background_class.rival_losses import (
    EnergyMarginLoss,
    UniformOELoss,
)
