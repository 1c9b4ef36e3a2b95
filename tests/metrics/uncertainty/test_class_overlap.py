import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.metrics.uncertainty.class_overlap import class_overlap


def test_share_equals_a_count_over_positions():
    maps = torch.randn(3, 3, 5, 7, generator=torch.Generator().manual_seed(30))
    for classes, found in zip(maps, class_overlap(maps), strict=True):
        overlap = 0
        for y in range(5):
            for x in range(7):
                active = [m[y, x] - m.min() >= 0.5 * (m.max() - m.min()) for m in classes]
                overlap += sum(active) > 1
        assert found.item() == pytest.approx(overlap / 35)


def test_separate_classes_do_not_overlap_and_equal_ones_overlap_in_their_area():
    maps = torch.zeros(2, 3, 4, 6)
    for k in range(3):
        maps[0, k, :, 2 * k : 2 * k + 2] = k + 1
    maps[1, :, 1:3, 1:4] = 1
    assert class_overlap(maps).tolist() == [0, 0.25]


def test_blank_maps_are_undefined():
    maps = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(31))
    maps[1, 2] = 0
    assert class_overlap(maps).isnan().tolist() == [False, True]


def test_one_class_and_odd_thresholds_are_refused():
    with pytest.raises(ShapeError, match="two classes"):
        class_overlap(torch.rand(2, 1, 3, 3))
    with pytest.raises(OptionError, match="threshold_fraction"):
        class_overlap(torch.rand(2, 2, 3, 3), threshold_fraction=-0.1)
