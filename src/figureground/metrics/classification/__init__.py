"""How good a classifier is: right, calibrated, able to tell known from unknown, steady under corruption."""

__all__ = [
    "ClassifierQuality",
    "CorruptionAccuracy",
    "OmittedClasses",
    "OmittedReport",
    "OutOfDistribution",
    "accuracy",
    "aupr",
    "auroc",
    "average_precision",
    "brier",
    "ccr_at_fpr",
    "class_scores",
    "corruption_accuracy",
    "ece",
    "expected_random_ap",
    "fpr_at_tpr",
    "macro_f1",
    "mean_average_precision",
    "mean_average_precision_interval",
    "nll",
    "omitted_class_report",
    "oscr",
    "precision_at_k",
    "recall_at_k",
]

from figureground.metrics.classification.corruptions import CorruptionAccuracy, corruption_accuracy
from figureground.metrics.classification.detection import aupr, auroc, fpr_at_tpr
from figureground.metrics.classification.omitted import (
    OmittedClasses,
    OmittedReport,
    omitted_class_report,
)
from figureground.metrics.classification.open_set import OutOfDistribution, ccr_at_fpr, oscr
from figureground.metrics.classification.quality import ClassifierQuality, accuracy, brier, ece, nll
from figureground.metrics.classification.ranking import (
    average_precision,
    class_scores,
    expected_random_ap,
    macro_f1,
    mean_average_precision,
    precision_at_k,
    recall_at_k,
)
from figureground.metrics.classification.ranking_interval import mean_average_precision_interval
