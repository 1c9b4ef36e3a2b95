"""A loss that wants the network's attribution on the object; the card beside this page says what it does not do."""

__all__ = [
    "AttributionPrior",
    "AttributionPriorOptions",
    "attribution_maps",
    "energy_outside",
    "gradient_outside",
]

from figureground.training.algorithms.attribution_prior.algorithm import (
    AttributionPrior,
    AttributionPriorOptions,
)
from figureground.training.algorithms.attribution_prior.losses import (
    attribution_maps,
    energy_outside,
    gradient_outside,
)
