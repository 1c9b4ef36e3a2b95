"""See what an image classifier looks at, measure whether it is the right thing, train it to look better."""

__version__ = "0.1.0"
__all__ = ["METHODS", "Explainer", "Explanation", "__version__", "load_classifier"]

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from figureground.methods import METHODS, Explainer, Explanation
    from figureground.models import load_classifier

_ROOMS = {
    "METHODS": "methods",
    "Explainer": "methods",
    "Explanation": "methods",
    "load_classifier": "models",
}


def __getattr__(name: str) -> object:
    """Load a room when something of it is first used, so that ``figureground --help`` does not wait for torch."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'figureground' has no attribute '{name}'")
    return getattr(import_module(f"figureground.{_ROOMS[name]}"), name)
