"""Teachers of maximum conditional mutual information, as plain PyTorch pieces; the card beside this page says more."""

__all__ = [
    "CMICLoss",
    "CentroidBank",
    "EntropyBonusLoss",
    "MCMILoss",
    "SquaredErrorLoss",
    "centroid_divergence",
    "class_pass",
]

from figureground.training.algorithms.mcmi.centroids import CentroidBank, class_pass
from figureground.training.algorithms.mcmi.divergence import centroid_divergence
from figureground.training.algorithms.mcmi.losses import (
    CMICLoss,
    EntropyBonusLoss,
    MCMILoss,
    SquaredErrorLoss,
)
