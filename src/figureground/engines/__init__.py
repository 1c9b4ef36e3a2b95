"""What does a large job: this process, or the machines of a Ray cluster."""

__all__ = [
    "EngineOptions",
    "Part",
    "Where",
    "Work",
    "computed_on",
    "elsewhere",
    "own_device",
    "results",
]

from figureground.engines.engine import results
from figureground.engines.options import EngineOptions, Where, computed_on, elsewhere, own_device
from figureground.engines.work import Part, Work
