"""Do the maps find the object? Boxes, peak and mass of every method, thresholds chosen on pictures set aside."""

__all__ = ["LocalisationOptions", "LocalisationRecord", "study_localisation"]

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import nn

from figureground.base.errors import unknown_option
from figureground.base.record import provenance, write_json
from figureground.maps import normalise  # noqa: F401
