"""Floor 2: how good maps and classifiers are; a metric never knows which method made the maps it judges."""

__all__ = [
    "classification",
    "faithfulness",
    "information",
    "intervals",
    "localisation",
    "reliance",
    "robustness",
    "uncertainty",
]

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from figureground.metrics import (
        classification,
        faithfulness,
        information,
        intervals,
        localisation,
        reliance,
        robustness,
        uncertainty,
    )


def __getattr__(name: str) -> ModuleType:
    """Load a kind of metric when it is first used: importing one kind does not pay for the others."""
    if name in __all__:
        return import_module(f"figureground.metrics.{name}")
    raise AttributeError(f"module 'figureground.metrics' has no attribute '{name}'")


def __dir__() -> list[str]:
    """The kinds of metrics, loaded or not."""
    return sorted({*globals(), *__all__})
