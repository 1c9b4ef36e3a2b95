"""What does a large job: this process, or the machines of a Ray cluster."""

__all__ = ["EngineOptions", "Part", "Work", "results"]

from figureground.engines.engine import results
from figureground.engines.options import EngineOptions
from figureground.engines.work import Part, Work
