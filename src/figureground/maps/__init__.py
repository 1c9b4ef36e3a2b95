"""What happens to a map after it is made: normalise, resize, fuse, box, diagnose, colour, overlay.

Pure functions of tensors, batched over leading axes; no plotting library.
"""

__all__ = [
    "COLOUR_MAPS",
    "MapProblem",
    "ThresholdBoxes",
    "boxes_from_map",
    "colour",
    "colour_bar",
    "cut_out",
    "diagnose",
    "draw_boxes",
    "fuse_maps",
    "is_constant",
    "largest_component_box",
    "normalise",
    "overlay",
    "place",
    "resize",
]

from figureground.maps.boxes import (
    ThresholdBoxes,
    boxes_from_map,
    largest_component_box,
)
from figureground.maps.colour import COLOUR_MAPS, colour
from figureground.maps.cut_out import cut_out
from figureground.maps.fuse import fuse_maps
from figureground.maps.overlay import colour_bar, draw_boxes, overlay
from figureground.maps.post_processing import MapProblem, diagnose, is_constant, normalise, resize
from figureground.maps.window import place
