"""Points made into a map, a box, and freed of outliers."""

import math

import cv2
import numpy as np
import pytest
import torch

from figureground.base.errors import OptionError
from figureground.base.seeds import generator
from figureground.methods.fixations.density import (
    fixation_heatmap,
    remove_outliers,
)


def test_outlier_filter_drops_a_lone_point_among_many_and_keeps_the_cluster():
    cluster = torch.randint(20, 30, (40, 2), generator=generator(0))
    kept = remove_outliers(torch.cat([cluster, torch.tensor([[90, 150]])]), (100, 160))
    assert kept.tolist() == [True] * 40 + [False]


@pytest.mark.parametrize(("crowd", "stays"), [(18, True), (19, False)])
def test_one_point_of_twenty_is_alone_and_one_of_nineteen_is_not(crowd, stays):
    yx = torch.tensor([[5, 5]] * crowd + [[90, 90]])
    assert remove_outliers(yx, (100, 100)).tolist() == [True] * crowd + [stays]


def test_outlier_filter_equals_counting_by_loops():
    yx = torch.randint(0, 100, (70, 2), generator=generator(0))
    near = 0.1 * math.hypot(100, 160)
    counts = [sum(math.dist(p, q) < near for q in yx.tolist()) for p in yx.tolist()]
    expected = [count > 0.05 * 70 for count in counts]
    assert remove_outliers(yx, (100, 160)).tolist() == expected
    assert 0 < sum(expected) < 70


def test_outlier_filter_keeps_all_where_no_point_has_company():
    yx = torch.cartesian_prod(torch.arange(0, 100, 20), torch.arange(0, 100, 20))
    assert remove_outliers(yx, (100, 100)).all()
    assert remove_outliers(yx[:0], (100, 100)).shape == (0,)


@pytest.mark.parametrize("size", [(60, 91), (64, 40)])
def test_heatmap_equals_the_blur_of_opencv(size):
    yx = torch.stack([torch.randint(0, n, (50,), generator=generator(0)) for n in size], 1)
    counts = np.zeros(size)
    for y, x in yx.tolist():
        counts[y, x] += 1
    sigma = 20 * math.hypot(*size) / math.hypot(224, 224)
    kernel = min(size) - 1 + min(size) % 2
    blurred = cv2.GaussianBlur(counts, (kernel, kernel), sigma)
    ours = fixation_heatmap(yx, size).numpy()
    np.testing.assert_allclose(ours, blurred, atol=1e-6)


def test_heatmap_of_no_points_is_zero_and_of_one_peaks_at_it():
    assert not fixation_heatmap(torch.zeros(0, 2, dtype=torch.int64), (30, 50)).any()
    one = fixation_heatmap(torch.tensor([[11, 32]]), (30, 50))
    assert divmod(int(one.argmax()), 50) == (11, 32)


def test_width_of_the_blur_must_be_positive():
    with pytest.raises(OptionError, match="sigma"):
        fixation_heatmap(torch.zeros(0, 2, dtype=torch.int64), (4, 4), sigma=-1.0)
