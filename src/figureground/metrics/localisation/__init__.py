"""How well maps say where the object is: boxes, pixels, pointing, thresholds chosen on other images."""

__all__ = [
    "BASELINES",
    "BOX_RULES",
    "CLOVA",
    "CLOVA_V2",
    "BoxAccuracy",
    "BoxRule",
    "BoxTable",
    "ChosenThreshold",
    "FrozenAccuracy",
    "best_overlaps",
    "box_table",
    "brightness",
    "centre_box",
    "centre_gaussian",
    "choose_threshold",
    "default_thresholds",
    "energy_pointing_game",
    "excess_outside",
    "frozen_accuracy",
    "hits",
    "iou",
    "mask_pointing_game",
    "mass_inside",
    "max_box_acc",
    "max_box_acc_v2",
    "pixel_average_precision",
    "pixel_histograms",
    "pointing_game",
    "rank_accuracy",
    "scale_boxes",
    "whole_image",
]

from figureground.metrics.localisation.baselines import (
    BASELINES,
    brightness,
    centre_box,
    centre_gaussian,
    whole_image,
)
from figureground.metrics.localisation.box_accuracy import (
    BOX_RULES,
    CLOVA,
    CLOVA_V2,
    BoxAccuracy,
    BoxRule,
    BoxTable,
    ChosenThreshold,
    FrozenAccuracy,
    best_overlaps,
    box_table,
    choose_threshold,
    default_thresholds,
    frozen_accuracy,
    hits,
    iou,
    max_box_acc,
    max_box_acc_v2,
    scale_boxes,
)
from figureground.metrics.localisation.map_mass import (
    excess_outside,
    mass_inside,
    rank_accuracy,
)
from figureground.metrics.localisation.pixel_ap import (
    pixel_average_precision,
    pixel_histograms,
)
from figureground.metrics.localisation.pointing import (
    energy_pointing_game,
    mask_pointing_game,
    pointing_game,
)
