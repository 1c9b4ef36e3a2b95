"""How good a classifier is: right, calibrated, able to tell known from unknown, steady under corruption."""

__all__ = [
    "OOD_SCORES",
    "OmittedReport",
    "accuracy",
    "aupr",
    "auroc",
    "average_precision",
    "best_temperature",
    "class_scores",
    "ece",
    "expected_random_ap",
    "fpr_at_tpr",
    "highest_by_chance",
    "macro_f1",
    "mean_average_precision",
    "mean_average_precision_interval",
    "nll",
    "omitted_class_report",
    "ood_score",
    "precision_at_k",
    "recall_at_k",
    "threshold_at_tpr",
]


from figureground.metrics.classification.calibration import best_temperature
from figureground.metrics.classification.detection import aupr, auroc, fpr_at_tpr
from figureground.metrics.classification.omitted import (
    OmittedReport,
    omitted_class_report,
)
from figureground.metrics.classification.ood_scores import OOD_SCORES, ood_score, threshold_at_tpr
from figureground.metrics.classification.quality import accuracy, ece, highest_by_chance, nll
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
