"""The class-activation-map family: one file per method, and the explainer that serves them all from one pass."""

__all__ = ["METHODS", "CamMethod", "EigenCAM", "Explainer", "Explanation", "find_methods"]

from figureground.methods.eigen_cam import EigenCAM
from figureground.methods.explainer import Explainer
from figureground.methods.explanation import Explanation
from figureground.methods.method import CamMethod
from figureground.methods.registry import METHODS, find_methods
