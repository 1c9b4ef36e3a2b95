"""Every group counts alike."""

import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.training.groups import balanced_weights


def test_every_group_has_the_same_sum_and_ratios_within_it_stay():
    groups = torch.tensor([4, 0, 0, 4, 4, 7])
    values = torch.tensor([1.0, 2, 6, 3, 4, 9])
    found = balanced_weights(groups, values)
    for group in (0, 4, 7):
        torch.testing.assert_close(found[groups == group].sum().item(), 1 / 3)
    torch.testing.assert_close(found[2] / found[1], torch.tensor(3.0).double())
    torch.testing.assert_close(found[4] / found[0], torch.tensor(4.0).double())


def test_no_image_and_no_group_are_refused():
    for groups in (torch.zeros(0, dtype=torch.int64), torch.tensor([0, -1])):
        with pytest.raises(
            ShapeError, match="one or more images, whose groups have numbers from 0"
        ):
            balanced_weights(groups)
