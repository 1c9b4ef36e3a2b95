"""The step of group DRO, beside a loop written from the paper."""

import math

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.training.algorithms.upweight import group_dro_step


def test_a_step_of_group_dro_is_that_of_the_paper():
    shares, losses = torch.tensor([0.5, 0.2, 0.3]), torch.tensor([0.1, 3.0, 1.0])
    counts, eta, adjustment = torch.tensor([100, 4, 25]), 0.7, 2.0
    raw = [
        float(q) * math.exp(eta * (float(loss) + adjustment / math.sqrt(int(n))))
        for q, loss, n in zip(shares, losses, counts, strict=True)
    ]
    found = group_dro_step(shares, losses, counts, eta=eta, adjustment=adjustment)
    torch.testing.assert_close(found, torch.tensor(raw) / sum(raw))


def test_numbers_out_of_range_are_refused():
    one = torch.ones(1)
    for options in ({"eta": 0.0}, {"adjustment": -1.0}):
        with pytest.raises(OptionError, match="eta must be above 0 and adjustment at least 0"):
            group_dro_step(one, one, torch.tensor([3]), **options)
