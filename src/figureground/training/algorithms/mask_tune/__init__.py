"""One more epoch without what the network looked at first; the card beside this page says what that does."""

__all__ = ["MaskTune", "MaskTuneOptions", "most_active"]

from figureground.training.algorithms.mask_tune.algorithm import MaskTune, MaskTuneOptions
from figureground.training.algorithms.mask_tune.regions import most_active
