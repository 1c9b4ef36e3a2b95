"""See what an image classifier looks at, measure whether it is the right thing, train it to look better.

``fg.Explainer`` makes maps; ``fg.load_classifier`` finds models; ``fg.explain``, ``fg.evaluate``, ``fg.compare``,
``fg.rank`` and ``fg.train`` are the commands of the same names; ``fg.diagnose`` is that of images in memory, and
``fg.BackgroundSwap`` what treats them in any loop. Everything is loaded when it is first used.
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
    "BackgroundSwap",
    "CNNFixations",
    "CamMethod",
    "Classifier",
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
    "HiResCAM",
    "LayerCAM",
    "LeGrad",
    "MeanActivation",
    "Random",
    "ReciproCAM",
    "ScoreCAM",
    "SegEigenCAM",
    "ShapleyCAM",
    "XGradCAM",
    "__version__",
    "compare",
    "data",
    "diagnose",
    "errors",
    "evaluate",
    "explain",
    "finer",
    "load_classifier",
    "load_run",
    "maps",
    "methods",
    "metrics",
    "models",
    "rank",
    "studies",
    "train",
    "training",
]

from typing import TYPE_CHECKING

from figureground.base.lazy import load

if TYPE_CHECKING:
    from figureground import data, maps, methods, metrics, models, studies, training
    from figureground.base import errors
    from figureground.methods import (
        CAM,
        FEM,
        KPCACAM,
        METHODS,
        RISE,
        AblationCAM,
        AttentionGradient,
        AttentionRollout,
        CamMethod,
        ClsAttention,
        CNNFixations,
        DeepFeatureFactorization,
        EigenCAM,
        EigenGradCAM,
        Explainer,
        Explanation,
        FullGrad,
        GradCAM,
        GradCAMElementwise,
        GradCAMPlusPlus,
        HiResCAM,
        LayerCAM,
        LeGrad,
        MeanActivation,
        Random,
        ReciproCAM,
        ScoreCAM,
        SegEigenCAM,
        ShapleyCAM,
        XGradCAM,
        finer,
    )
    from figureground.models import Classifier
    from figureground.studies.comparison.compare import compare
    from figureground.studies.diagnosis.library import diagnose
    from figureground.studies.evaluation.evaluate import evaluate
    from figureground.studies.explain.explain import explain_images as explain
    from figureground.studies.models import load_classifier
    from figureground.studies.ranking.rank import rank_images as rank
    from figureground.studies.training.runs import load_run
    from figureground.studies.training.train import train
    from figureground.training.algorithms.background_swap.swap import BackgroundSwap

__version__ = "0.1.0"

_ROOMS = ("data", "maps", "methods", "metrics", "models", "studies", "training")
_TABLE = {
    **{room: f"figureground.{room}" for room in _ROOMS},
    "errors": "figureground.base.errors",
    "METHODS": "figureground.methods.registry:METHODS",
    "Explainer": "figureground.methods.explainer:Explainer",
    "Explanation": "figureground.methods.explanation:Explanation",
    "CamMethod": "figureground.methods.method:CamMethod",
    "AblationCAM": "figureground.methods.ablation_cam:AblationCAM",
    "CAM": "figureground.methods.cam:CAM",
    "FullGrad": "figureground.methods.full_grad:FullGrad",
    "LeGrad": "figureground.methods.le_grad:LeGrad",
    "AttentionGradient": "figureground.methods.attention_gradient:AttentionGradient",
    "AttentionRollout": "figureground.methods.attention_rollout:AttentionRollout",
    "ClsAttention": "figureground.methods.cls_attention:ClsAttention",
    "CNNFixations": "figureground.methods.cnn_fixations:CNNFixations",
    "DeepFeatureFactorization": "figureground.methods.dff:DeepFeatureFactorization",
    "EigenCAM": "figureground.methods.eigen_cam:EigenCAM",
    "EigenGradCAM": "figureground.methods.eigen_grad_cam:EigenGradCAM",
    "FEM": "figureground.methods.fem:FEM",
    "KPCACAM": "figureground.methods.kpca_cam:KPCACAM",
    "MeanActivation": "figureground.methods.mean_activation:MeanActivation",
    "Random": "figureground.methods.random:Random",
    "SegEigenCAM": "figureground.methods.seg_eigen_cam:SegEigenCAM",
    "ShapleyCAM": "figureground.methods.shapley_cam:ShapleyCAM",
    "GradCAM": "figureground.methods.grad_cam:GradCAM",
    "GradCAMElementwise": "figureground.methods.grad_cam_elementwise:GradCAMElementwise",
    "GradCAMPlusPlus": "figureground.methods.grad_cam_plus_plus:GradCAMPlusPlus",
    "HiResCAM": "figureground.methods.hires_cam:HiResCAM",
    "LayerCAM": "figureground.methods.layer_cam:LayerCAM",
    "RISE": "figureground.methods.rise:RISE",
    "ReciproCAM": "figureground.methods.recipro_cam:ReciproCAM",
    "ScoreCAM": "figureground.methods.score_cam:ScoreCAM",
    "XGradCAM": "figureground.methods.xgrad_cam:XGradCAM",
    "finer": "figureground.methods.finer_target:finer",
    "Classifier": "figureground.models.classifier:Classifier",
    "load_classifier": "figureground.studies.models:load_classifier",
    "explain": "figureground.studies.explain.explain:explain_images",
    "evaluate": "figureground.studies.evaluation.evaluate:evaluate",
    "compare": "figureground.studies.comparison.compare:compare",
    "diagnose": "figureground.studies.diagnosis.library:diagnose",
    "BackgroundSwap": "figureground.training.algorithms.background_swap.swap:BackgroundSwap",
    "rank": "figureground.studies.ranking.rank:rank_images",
    "train": "figureground.studies.training.train:train",
    "load_run": "figureground.studies.training.runs:load_run",
}


def __getattr__(name: str) -> object:
    """What the table says, loaded now: so ``import figureground`` and ``figureground --help`` do not wait for torch."""
    return load(__name__, name, _TABLE)


def __dir__() -> list[str]:
    """The public names, so that completion knows them before they are loaded."""
    return sorted(__all__)
