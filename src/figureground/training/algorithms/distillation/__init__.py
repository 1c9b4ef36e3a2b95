"""Distillation: a student learns from a trained teacher; the losses are plain modules."""

__all__ = [
    "DISTILLATION_LOSSES",
    "AttentionTransferLoss",
    "CRDLoss",
    "CorrelationLoss",
    "DKDLoss",
    "DistillationLoss",
    "HintLoss",
    "KDLoss",
    "NSTLoss",
    "PKTLoss",
    "RKDLoss",
    "ReviewKDLoss",
    "SimilarityLoss",
    "VIDLoss",
]

from figureground.training.algorithms.distillation.contrastive import CRDLoss
from figureground.training.algorithms.distillation.logit_losses import DKDLoss, KDLoss
from figureground.training.algorithms.distillation.loss import DistillationLoss
from figureground.training.algorithms.distillation.losses import DISTILLATION_LOSSES
from figureground.training.algorithms.distillation.map_losses import (
    AttentionTransferLoss,
    HintLoss,
    NSTLoss,
    VIDLoss,
)
from figureground.training.algorithms.distillation.relation_losses import (
    CorrelationLoss,
    PKTLoss,
    RKDLoss,
    SimilarityLoss,
)
from figureground.training.algorithms.distillation.review import ReviewKDLoss
