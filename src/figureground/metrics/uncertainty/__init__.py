"""How sure a map is: its spread, its variation over runs, the overlap of classes, sanity checks."""

__all__ = [
    "Augmentation",
    "cam_area",
    "cam_entropy",
    "cam_variation",
    "class_overlap",
    "crop_augmentation",
    "flip_augmentation",
    "identity_augmentation",
    "standard_augmentations",
]

from figureground.metrics.uncertainty.augmentations import (
    Augmentation,
    crop_augmentation,
    flip_augmentation,
    identity_augmentation,
    standard_augmentations,
)
from figureground.metrics.uncertainty.class_overlap import class_overlap
from figureground.metrics.uncertainty.spread import cam_area, cam_entropy
from figureground.metrics.uncertainty.variation import cam_variation
