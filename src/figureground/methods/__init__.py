"""The class-activation-map family: one file per method, and the explainer that serves them all from one pass."""

__all__ = [
    "METHODS",
    "CNNFixations",
    "CamMethod",
    "DeepFeatureFactorization",
    "EigenCAM",
    "EigenGradCAM",
    "Explainer",
    "Explanation",
    "find_methods",
]

from figureground.methods.cnn_fixations import CNNFixations
from figureground.methods.dff import DeepFeatureFactorization
from figureground.methods.eigen_cam import EigenCAM
from figureground.methods.eigen_grad_cam import EigenGradCAM
from figureground.methods.explainer import Explainer
from figureground.methods.explanation import Explanation
from figureground.methods.method import CamMethod
from figureground.methods.registry import METHODS, find_methods
