"""Some training images come more often: small groups, or what a first network errs on; the card beside says how."""

__all__ = ["Upweight", "UpweightOptions", "group_dro_step"]

from figureground.training.algorithms.upweight.algorithm import Upweight, UpweightOptions
from figureground.training.algorithms.upweight.weighing import group_dro_step
