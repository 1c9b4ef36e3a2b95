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
    "GroupCAM",
    "HiResCAM",
    "LayerCAM",
    "LayerIntegrated",
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
    "export",
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
from figureground.methods.registry import METHODS

if TYPE_CHECKING:
    from figureground import data, maps, methods, metrics, models, studies, training
    from figureground.base import errors
    from figureground.methods import (
        CAM,
        FEM,
        KPCACAM,
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
        GroupCAM,
        HiResCAM,
        LayerCAM,
        LayerIntegrated,
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
    from figureground.studies.export.export import export_model as export
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
    **{entry.kind: entry.address for entry in METHODS.values()},
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
    "export": "figureground.studies.export.export:export_model",
    "load_run": "figureground.studies.training.runs:load_run",
}


def __getattr__(name: str) -> object:
    """What the table says, loaded now: so ``import figureground`` and ``figureground --help`` do not wait for torch."""
    return load(__name__, name, _TABLE)


def __dir__() -> list[str]:
    """The public names, so that completion knows them before they are loaded."""
    return sorted(__all__)
