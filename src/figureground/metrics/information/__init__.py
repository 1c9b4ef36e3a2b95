"""What a classifier's outputs tell of the image beyond its class, and of the class: in nats."""

__all__ = [
    "CMIMeter",
    "ClassSums",
    "Information",
    "class_sums",
    "cmi",
    "information",
    "information_of",
    "ncmi",
    "separation",
]

from typing import TYPE_CHECKING

from figureground.metrics.information.conditional import cmi
from figureground.metrics.information.outputs import Information, information, information_of
from figureground.metrics.information.separations import ncmi, separation
from figureground.metrics.information.sums import ClassSums, class_sums

if TYPE_CHECKING:
    from figureground.metrics.information.meter import CMIMeter


def __getattr__(name: str) -> type["CMIMeter"]:
    """Load the meter when it is first used: torchmetrics is slow to import."""
    if name == "CMIMeter":
        from figureground.metrics.information.meter import CMIMeter  # noqa: PLC0415

        return CMIMeter
    raise AttributeError(f"module 'figureground.metrics.information' has no attribute '{name}'")


def __dir__() -> list[str]:
    """All names, loaded or not."""
    return sorted({*globals(), *__all__})
