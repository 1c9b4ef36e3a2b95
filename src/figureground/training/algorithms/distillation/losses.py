"""All distillation losses by name."""

__all__ = ["DISTILLATION_LOSSES"]

from figureground.training.algorithms.distillation.contrastive import CRDLoss
from figureground.training.algorithms.distillation.logit_losses import DKDLoss, KDLoss
from figureground.training.algorithms.distillation.loss import DistillationLoss
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

DISTILLATION_LOSSES: dict[str, type[DistillationLoss]] = {
    "kd": KDLoss,
    "dkd": DKDLoss,
    "hint": HintLoss,
    "at": AttentionTransferLoss,
    "sp": SimilarityLoss,
    "cc": CorrelationLoss,
    "vid": VIDLoss,
    "rkd": RKDLoss,
    "pkt": PKTLoss,
    "nst": NSTLoss,
    "crd": CRDLoss,
    "reviewkd": ReviewKDLoss,
}
