"""Background images: where they come from, which are fit, how many, and how they are divided."""

__all__ = [
    "CLOUD_GRIDS",
    "GRASS_GRIDS",
    "PAPER_PARTS",
    "PROCEDURES",
    "BackgroundSource",
    "ClutterOnly",
    "Concat",
    "CropGrid",
    "Dropped",
    "Folder",
    "FromLabeled",
    "GridCrops",
    "HeldOutClasses",
    "Invert",
    "LeftOut",
    "Monochrome",
    "OutsideBox",
    "PatchShuffle",
    "PoolEntry",
    "PoolOptions",
    "PoolPart",
    "PoolRecord",
    "Procedural",
    "RatioChoice",
    "ScreenOptions",
    "ScreenReport",
    "build_pool",
    "choose_ratio",
    "paper_recipe",
    "read_pool",
    "read_pool_record",
    "screen",
]

from figureground.data.background.folder import Folder
from figureground.data.background.from_labeled import FromLabeled, HeldOutClasses, PatchShuffle
from figureground.data.background.grid_crops import CLOUD_GRIDS, GRASS_GRIDS, CropGrid, GridCrops
from figureground.data.background.outside_box import OutsideBox
from figureground.data.background.paper_recipe import PAPER_PARTS, paper_recipe
from figureground.data.background.plain import Invert, Monochrome
from figureground.data.background.pool import PoolOptions, build_pool
from figureground.data.background.pool_record import (
    LeftOut,
    PoolEntry,
    PoolPart,
    PoolRecord,
    read_pool,
    read_pool_record,
)
from figureground.data.background.procedural import PROCEDURES, ClutterOnly, Procedural
from figureground.data.background.ratio import RatioChoice, choose_ratio
from figureground.data.background.screening import Dropped, ScreenOptions, ScreenReport, screen
from figureground.data.background.source import BackgroundSource, Concat
