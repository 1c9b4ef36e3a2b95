"""What happens to a map after it is made: normalise, resize, fuse, diagnose, colour, overlay.

Pure functions of tensors, batched over leading axes; no plotting library.
"""

__all__ = [
    "COLOUR_MAPS",
    "MapProblem",
    "colour",
    "colour_bar",
    "diagnose",
    "draw_boxes",
    "fuse_maps",
    "is_constant",
    "normalise",
    "overlay",
    "resize",
]

from figureground.maps.colour import COLOUR_MAPS, colour
from figureground.maps.diagnose import MapProblem, diagnose
from figureground.maps.fuse import fuse_maps
from figureground.maps.normalise import is_constant, normalise
from figureground.maps.overlay import colour_bar, draw_boxes, overlay
from figureground.maps.resize import resize
