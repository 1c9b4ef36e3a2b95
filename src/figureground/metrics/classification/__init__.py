"""How good a classifier is: right, calibrated, able to tell known from unknown, steady under corruption."""

__all__ = [
    "ClassifierQuality",
    "CorruptionAccuracy",
    "OutOfDistribution",
    "accuracy",
    "aupr",
    "auroc",
    "brier",
    "ccr_at_fpr",
    "corruption_accuracy",
    "ece",
    "fpr_at_tpr",
    "nll",
    "oscr",
]

from figureground.metrics.classification.corruptions import CorruptionAccuracy, corruption_accuracy
from figureground.metrics.classification.detection import aupr, auroc, fpr_at_tpr
from figureground.metrics.classification.open_set import OutOfDistribution, ccr_at_fpr, oscr
from figureground.metrics.classification.quality import ClassifierQuality, accuracy, brier, ece, nll
