"""Background splitting as plain PyTorch pieces; the card beside this page says what to expect."""

__all__ = [
    "BackgroundSplitHeads",
    "BackgroundSplitLoss",
    "BinaryLoss",
    "ClassBalancedLoss",
    "ClusterPseudoLabeler",
    "FocalLoss",
    "LDAMLoss",
    "LogitAdjustedLoss",
    "PseudoLabeler",
    "PseudoLabels",
    "retrained_head",
    "scaled_head",
    "set_prior_bias",
    "tau_normalize",
]

from figureground.training.algorithms.background_splitting.class_shares import set_prior_bias
from figureground.training.algorithms.background_splitting.heads import (
    BackgroundSplitHeads,
)
from figureground.training.algorithms.background_splitting.labelers import (
    ClusterPseudoLabeler,
    PseudoLabeler,
)
from figureground.training.algorithms.background_splitting.losses import BackgroundSplitLoss
from figureground.training.algorithms.background_splitting.main_losses import (
    BinaryLoss,
    ClassBalancedLoss,
    FocalLoss,
    LDAMLoss,
    LogitAdjustedLoss,
)
from figureground.training.algorithms.background_splitting.posthoc import (
    retrained_head,
    scaled_head,
    tau_normalize,
)
from figureground.training.algorithms.background_splitting.pseudo_labels import PseudoLabels
