"""Find a layer, run a network once, record activations and gradients. The only room that registers hooks."""

__all__ = [
    "Above",
    "Captured",
    "ClassMapHead",
    "Directions",
    "Finding",
    "Grid",
    "LayerChoice",
    "Precision",
    "Trace",
    "check_layers",
    "choose_layer",
    "finite_images",
    "look",
    "named_layer",
    "plain_model",
    "present_precision",
    "run_logits",
    "run_once",
]

from figureground.capture.above import Above
from figureground.capture.captured import Captured
from figureground.capture.check import Finding, check_layers
from figureground.capture.grid import Grid
from figureground.capture.head import ClassMapHead, Directions, finite_images
from figureground.capture.layers import LayerChoice, choose_layer, named_layer
from figureground.capture.run import Precision, present_precision, run_logits, run_once
from figureground.capture.trace import Trace, look
from figureground.capture.untouched import plain_model
