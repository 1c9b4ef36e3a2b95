"""Classifier heads for any loop: SpinalNet's, cosines, a new one for a known network, a background output."""

__all__ = [
    "ConstantBackground",
    "CosineLinear",
    "SpinalHead",
    "SpinalStyle",
    "add_background_output",
    "replace_head",
]

from figureground.models.heads.background_output import ConstantBackground, add_background_output
from figureground.models.heads.cosine import CosineLinear
from figureground.models.heads.replacement import replace_head
from figureground.models.heads.spinal import SpinalHead, SpinalStyle
