"""What a classifier's outputs tell of the picture beyond its class, and of the class: in nats."""

__all__ = [
    "CMIMeter",
    "ClassSums",
    "Information",
    "class_sums",
    "cmi",
    "cmi_per_class",
    "information",
    "information_of",
    "ncmi",
    "separation",
]

from figureground.metrics.information.conditional import cmi, cmi_per_class
from figureground.metrics.information.outputs import (
    CMIMeter,
    Information,
    information,
    information_of,
)
from figureground.metrics.information.separations import ncmi, separation
from figureground.metrics.information.sums import ClassSums, class_sums
