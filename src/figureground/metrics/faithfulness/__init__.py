"""Whether the pixels a map points at are the pixels the classifier uses."""

__all__ = [
    "PLAIN",
    "RISE",
    "AdccScores",
    "Explain",
    "InsertionDeletionCurves",
    "MaskedConfidence",
    "Removal",
    "RoadScores",
    "Score",
    "Scoring",
    "Sweep",
    "adcc",
    "arcc",
    "area_under_curve",
    "blurred",
    "coherency",
    "complexity",
    "faithfulness_correlation",
    "infidelity",
    "insertion_deletion",
    "is_blank",
    "linear_imputation",
    "masked_confidence",
    "pearson",
    "pixel_ranks",
    "random_logit",
    "road",
    "soft_masks",
    "sparseness",
    "spearman",
    "ssim",
]

from figureground.metrics.faithfulness.adcc import AdccScores, adcc, coherency, complexity
from figureground.metrics.faithfulness.arcc import arcc
from figureground.metrics.faithfulness.curves import (
    InsertionDeletionCurves,
    area_under_curve,
    insertion_deletion,
)
from figureground.metrics.faithfulness.drop import (
    MaskedConfidence,
    masked_confidence,
)
from figureground.metrics.faithfulness.imputation import linear_imputation
from figureground.metrics.faithfulness.random_logit import random_logit
from figureground.metrics.faithfulness.random_removal import faithfulness_correlation, infidelity
from figureground.metrics.faithfulness.relevance import is_blank, pixel_ranks, soft_masks
from figureground.metrics.faithfulness.road import Removal, RoadScores, road
from figureground.metrics.faithfulness.scoring import PLAIN, Explain, Score, Scoring
from figureground.metrics.faithfulness.similarity import (
    pearson,
    spearman,
    ssim,
)
from figureground.metrics.faithfulness.sparseness import sparseness
from figureground.metrics.faithfulness.sweep import RISE, Sweep, blurred
