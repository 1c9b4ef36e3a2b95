import math

import numpy as np
import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.uncertainty.variation import cam_variation


@pytest.fixture
def runs():
    return torch.randn(5, 3, 6, 7, generator=torch.Generator().manual_seed(33))


def slow_variation(maps):
    """One image: a list of maps as lists of rows, NaN where a run saw nothing."""
    scaled = []
    for one in maps:
        low, high = np.nanmin(one), np.nanmax(one)
        scaled.append((one - low) / (high - low))
    deviations, means = 0.0, 0.0
    for place in np.ndindex(maps[0].shape):
        values = [one[place] for one in scaled if not math.isnan(one[place])]
        if values:
            deviations += np.std(values)
            means += np.mean(values)
    return deviations / means


def test_variation_equals_a_loop_over_positions(runs):
    runs[1, :, :2], runs[2, :, :, 3:], runs[:, 0, 0, 0] = torch.nan, torch.nan, torch.nan
    found = cam_variation(runs)
    expected = [slow_variation(runs[:, i].double().numpy()) for i in range(3)]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_equal_runs_are_stable_whatever_their_scale(runs):
    same = torch.stack([runs[0], 4 * runs[0] + 1, 0.1 * runs[0]])
    assert torch.allclose(cam_variation(same), torch.zeros(3), atol=1e-5)


def test_order_of_runs_does_not_count(runs):
    assert torch.allclose(cam_variation(runs), cam_variation(runs.flip(0)))


def test_more_noise_is_less_stable(runs):
    base = torch.rand(3, 6, 7, generator=torch.Generator().manual_seed(34))
    levels = [cam_variation(base + share * runs) for share in (0.01, 0.1, 1.0)]
    assert (levels[0] < levels[1]).all()
    assert (levels[1] < levels[2]).all()


def test_blank_maps_are_undefined(runs):
    runs[2, 1], runs[0, 2, 0, 0] = 3, torch.inf
    assert cam_variation(runs).isnan().tolist() == [False, True, True]


def test_a_single_run_is_refused(runs):
    with pytest.raises(ShapeError, match="two runs"):
        cam_variation(runs[:1])
