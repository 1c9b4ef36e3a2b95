"""The class-activation-map family: one file per method, and the explainer that serves them all from one pass.

Names are loaded when they are first used: ``METHODS`` can be read without torch.
"""

__all__ = [
    "CAM",
    "FEM",
    "KPCACAM",
    "METHODS",
    "RISE",
    "AblationCAM",
    "AttentionGradient",
    "AttentionRollout",
    "CNNFixations",
    "CamMethod",
    "ClsAttention",
    "DeepFeatureFactorization",
    "EigenCAM",
    "EigenGradCAM",
    "Explainer",
    "Explanation",
    "FullGrad",
    "GradCAM",
    "GradCAMElementwise",
    "GradCAMPlusPlus",
    "GroupCAM",
    "HiResCAM",
    "LayerCAM",
    "LayerIntegrated",
    "LeGrad",
    "MeanActivation",
    "MethodEntry",
    "Random",
    "ReciproCAM",
    "ScoreCAM",
    "SegEigenCAM",
    "ShapleyCAM",
    "XGradCAM",
    "find_methods",
    "finer",
]

from typing import TYPE_CHECKING

from figureground.base.lazy import load
from figureground.methods.registry import METHODS

if TYPE_CHECKING:
    from figureground.methods.ablation_cam import AblationCAM
    from figureground.methods.attention_gradient import AttentionGradient
    from figureground.methods.attention_rollout import AttentionRollout
    from figureground.methods.cam import CAM
    from figureground.methods.cls_attention import ClsAttention
    from figureground.methods.cnn_fixations import CNNFixations
    from figureground.methods.dff import DeepFeatureFactorization
    from figureground.methods.eigen_cam import EigenCAM
    from figureground.methods.eigen_grad_cam import EigenGradCAM
    from figureground.methods.explainer import Explainer
    from figureground.methods.explanation import Explanation
    from figureground.methods.fem import FEM
    from figureground.methods.finer_target import finer
    from figureground.methods.full_grad import FullGrad
    from figureground.methods.grad_cam import GradCAM
    from figureground.methods.grad_cam_elementwise import GradCAMElementwise
    from figureground.methods.grad_cam_plus_plus import GradCAMPlusPlus
    from figureground.methods.group_cam import GroupCAM
    from figureground.methods.hires_cam import HiResCAM
    from figureground.methods.kpca_cam import KPCACAM
    from figureground.methods.layer_cam import LayerCAM
    from figureground.methods.layer_integrated import LayerIntegrated
    from figureground.methods.le_grad import LeGrad
    from figureground.methods.mean_activation import MeanActivation
    from figureground.methods.method import CamMethod, find_methods
    from figureground.methods.random import Random
    from figureground.methods.recipro_cam import ReciproCAM
    from figureground.methods.registry import MethodEntry
    from figureground.methods.rise import RISE
    from figureground.methods.score_cam import ScoreCAM
    from figureground.methods.seg_eigen_cam import SegEigenCAM
    from figureground.methods.shapley_cam import ShapleyCAM
    from figureground.methods.xgrad_cam import XGradCAM


_TABLE = {
    "CamMethod": "figureground.methods.method:CamMethod",
    "Explainer": "figureground.methods.explainer:Explainer",
    "Explanation": "figureground.methods.explanation:Explanation",
    "MethodEntry": "figureground.methods.registry:MethodEntry",
    "find_methods": "figureground.methods.method:find_methods",
    "finer": "figureground.methods.finer_target:finer",
    **{entry.kind: entry.address for entry in METHODS.values()},
}


def __getattr__(name: str) -> object:
    """What the table says."""
    return load(__name__, name, _TABLE)


def __dir__() -> list[str]:
    return sorted(__all__)
