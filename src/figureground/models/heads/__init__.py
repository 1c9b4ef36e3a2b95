"""Classifier heads for any loop: SpinalNet's, a new head for a known network, one more output for the background."""

__all__ = [
    "ConstantBackground",
    "SpinalHead",
    "SpinalStyle",
    "add_background_output",
    "replace_head",
]

from figureground.models.heads.background_output import ConstantBackground, add_background_output
from figureground.models.heads.replacement import replace_head
from figureground.models.heads.spinal import SpinalHead, SpinalStyle
