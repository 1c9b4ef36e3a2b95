"""Sparseness against the definition of the Gini index, and laws of it."""

import numpy as np
import pytest
import torch

from figureground.metrics.faithfulness import sparseness


def test_equals_the_mean_difference_of_all_pairs():
    maps = torch.randn(5, 4, 7, generator=torch.Generator().manual_seed(0))
    for one, found in zip(maps, sparseness(maps), strict=True):
        values = one.double().abs().flatten().numpy()
        expected = np.abs(values[:, None] - values).mean() / (2 * values.mean())
        assert found.item() == pytest.approx(expected, rel=1e-6)


def test_scale_sign_and_order_of_the_positions_change_nothing():
    maps = torch.rand(2, 4, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(sparseness(-300 * maps.flip(2)), sparseness(maps))


def test_one_position_is_sparsest_and_blank_maps_have_no_number():
    maps = torch.zeros(4, 4, 5)
    maps[0, 1, 2], maps[1], maps[2, 0, 0] = 3.0, 0.1, torch.inf
    found = sparseness(maps)
    assert found[0].item() == pytest.approx(1 - 1 / 20)
    assert found[1:].isnan().all()
