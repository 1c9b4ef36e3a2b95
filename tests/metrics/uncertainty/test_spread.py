import math

import pytest
import torch
from scipy import stats

from figureground.base.errors import OptionError
from figureground.metrics.uncertainty.spread import cam_area, cam_entropy


@pytest.fixture
def maps():
    return torch.randn(4, 6, 9, generator=torch.Generator().manual_seed(29))


def test_area_counts_what_reaches_half_of_the_range(maps):
    for one, found in zip(maps, cam_area(maps), strict=True):
        half = (one.min() + one.max()).item() / 2
        expected = sum(value >= half for value in one.flatten().tolist()) / 54
        assert found.item() == pytest.approx(expected)


def test_area_shrinks_as_the_threshold_rises(maps):
    areas = torch.stack([cam_area(maps, threshold_fraction=t) for t in (0.0, 0.3, 0.6, 1.0)])
    assert (areas.diff(dim=0) <= 0).all()
    assert areas[0].tolist() == [1, 1, 1, 1]
    assert torch.allclose(areas[-1], torch.full((4,), 1 / 54))


def test_entropy_equals_scipy_over_its_maximum(maps):
    for one, found in zip(maps, cam_entropy(maps), strict=True):
        expected = stats.entropy((one - one.min()).flatten().numpy()) / math.log(54)
        assert found.item() == pytest.approx(expected, abs=1e-5)


def test_entropy_of_k_equal_positions_is_log_k():
    maps = torch.zeros(2, 4, 4)
    maps[0, 1, 2], maps[1, :2] = 5, 0.3
    assert cam_entropy(maps).tolist() == pytest.approx([0.0, math.log(8) / math.log(16)])


def test_scale_and_offset_do_not_count(maps):
    for measure in (cam_area, cam_entropy):
        assert torch.allclose(measure(maps), measure(3 * maps + 8), atol=1e-4)


def test_blank_maps_are_undefined(maps):
    maps[0], maps[2, 0, 0] = 1, torch.nan
    for measure in (cam_area, cam_entropy):
        assert measure(maps).isnan().tolist() == [True, False, True, False]


def test_a_threshold_outside_the_range_is_refused(maps):
    with pytest.raises(OptionError, match="threshold_fraction"):
        cam_area(maps, threshold_fraction=1.5)
