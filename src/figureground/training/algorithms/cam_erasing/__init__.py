"""Random erasing that looks where the object is; the card beside this page says what is known and what is ours."""

__all__ = [
    "PRESETS",
    "CamCache",
    "CamErasing",
    "CamErasingOptions",
    "ErasingOptions",
    "MapSource",
    "erase_regions",
    "image_maps",
    "warp_maps",
]

from figureground.training.algorithms.cam_erasing.algorithm import CamErasing, CamErasingOptions
from figureground.training.algorithms.cam_erasing.erasing import erase_regions
from figureground.training.algorithms.cam_erasing.options import PRESETS, ErasingOptions
from figureground.training.own_maps.cache import CamCache
from figureground.training.own_maps.refresh import MapSource, image_maps
from figureground.training.own_maps.warping import warp_maps
