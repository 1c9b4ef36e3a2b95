"""Training images get the backgrounds of others, so that a background tells nothing of the class."""

__all__ = ["BackgroundSwap", "BackgroundSwapOptions", "BackgroundSwapping"]

from figureground.training.algorithms.background_swap.algorithm import (
    BackgroundSwapOptions,
    BackgroundSwapping,
)
from figureground.training.algorithms.background_swap.swap import BackgroundSwap
