"""See what an image classifier looks at, measure whether it is the right thing, train it to look better."""

__all__ = [
    "METHODS",
    "CNNFixations",
    "Classifier",
    "DeepFeatureFactorization",
    "EigenCAM",
    "EigenGradCAM",
    "Explainer",
    "Explanation",
    "__version__",
    "load_classifier",
]

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from figureground.methods import (
        METHODS,
        CNNFixations,
        DeepFeatureFactorization,
        EigenCAM,
        EigenGradCAM,
        Explainer,
        Explanation,
    )
    from figureground.models import Classifier, load_classifier

__version__ = "0.1.0"

_ROOMS = (
    "base",
    "capture",
    "data",
    "maps",
    "methods",
    "metrics",
    "models",
    "reports",
    "studies",
    "training",
)


def __getattr__(name: str) -> object:
    """Load a room when something of it is first used, so that ``figureground --help`` does not wait for torch."""
    if name in _ROOMS:
        return import_module(f"figureground.{name}")
    if name in {"Classifier", "load_classifier"}:
        return getattr(import_module("figureground.models"), name)
    if name in __all__:
        return getattr(import_module("figureground.methods"), name)
    raise AttributeError(f"module 'figureground' has no attribute '{name}'")
