"""Numbers that a recipe may set for a loss."""

import pytest

from figureground.base.errors import OptionError
from figureground.training.algorithms.distillation import DISTILLATION_LOSSES
from figureground.training.algorithms.distillation.loss import Shapes


@pytest.mark.parametrize(
    ("loss", "settings", "message"),
    [
        ("crd", {"negatives": 0}, "whole number above 0, got 0"),
        ("crd", {"tau": 0.0}, "tau positive"),
        ("crd", {"momentum": 1.0}, "momentum from 0 to below 1"),
        ("reviewkd", {"width": -3}, "0 or above, got -3"),
        ("cc", {"width": float("inf")}, "0 or above, got inf"),
        ("vid", {"variance": 0.0}, "variance above"),
        ("rkd", {"angle": float("nan")}, "0 or above, got nan"),
    ],
)
def test_settings_of_a_loss_that_cannot_be_are_refused(loss, settings, message):
    with pytest.raises(OptionError, match=message):
        DISTILLATION_LOSSES[loss].fitted(Shapes(((4, 2, 2),), ((4, 2, 2),)), settings)
