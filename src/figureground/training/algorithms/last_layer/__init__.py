"""Only the last linear layer is fitted anew, to features of the frozen network; the card beside this page says when."""

__all__ = ["LastLayer", "LastLayerOptions", "afr_weights", "fit_last_layer"]

from figureground.training.algorithms.last_layer.algorithm import LastLayer, LastLayerOptions
from figureground.training.algorithms.last_layer.fitting import afr_weights, fit_last_layer
