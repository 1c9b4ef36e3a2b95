"""How much predictions rest on the background: foregrounds and backgrounds of the user's own images, crossed."""

__all__ = [
    "FILLS",
    "BackgroundProbe",
    "Carrier",
    "ClassPull",
    "ImageReliance",
    "Nested",
    "Pairs",
    "Reliance",
    "Verdict",
    "background_kinds",
    "background_of",
    "background_probe",
    "benjamini_hochberg",
    "carriers",
    "cells_of",
    "colour_thumbnail",
    "composite",
    "cross",
    "crossed_scores",
    "dilated",
    "filled_boxes",
    "hits",
    "nested_masks",
    "node_weights",
    "numbers_of",
    "only_background",
    "per_image",
    "percentiles",
    "prediction_powered_mean",
    "pull_test",
    "refined",
    "reliance",
    "verdict_of",
]

from figureground.metrics.reliance.clusters import Carrier, background_kinds, carriers
from figureground.metrics.reliance.composites import (
    FILLS,
    Nested,
    background_of,
    composite,
    dilated,
    filled_boxes,
    nested_masks,
    refined,
)
from figureground.metrics.reliance.crossed import crossed_scores
from figureground.metrics.reliance.node_bootstrap import (
    Verdict,
    node_weights,
    percentiles,
    verdict_of,
)
from figureground.metrics.reliance.one_sided import only_background
from figureground.metrics.reliance.pairs import Pairs, cross
from figureground.metrics.reliance.per_image import ImageReliance, per_image
from figureground.metrics.reliance.ppi import prediction_powered_mean
from figureground.metrics.reliance.probe import (
    BackgroundProbe,
    background_probe,
    colour_thumbnail,
)
from figureground.metrics.reliance.pull_test import ClassPull, benjamini_hochberg, pull_test
from figureground.metrics.reliance.two_by_two import (
    Reliance,
    cells_of,
    hits,
    numbers_of,
    reliance,
)
