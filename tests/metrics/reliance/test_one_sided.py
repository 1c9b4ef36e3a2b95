"""Only the background, and few annotations beside many images: by hand."""

import numpy as np
import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.reliance import (
    only_background,
    prediction_powered_mean,
)


def test_chance_is_the_largest_share_of_a_class():
    labels = torch.tensor([2] * 6 + [0] * 3 + [1])
    always = torch.zeros(10, 3)
    always[:, 2] = 1
    assert only_background(always, labels, seed=0).mean == pytest.approx(0.0)
    right = torch.eye(3)[labels]
    assert only_background(right, labels, seed=0).mean == pytest.approx(0.4)


def test_an_estimate_that_tells_nothing_leaves_the_measured_interval():
    true = torch.randn(50, generator=torch.Generator().manual_seed(0)).double()
    found = prediction_powered_mean(true, torch.zeros(50).double(), torch.zeros(500).double())
    half = 1.959964 * float(true.std()) / 50**0.5
    assert found.mean == pytest.approx(float(true.mean()))
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half))


def test_a_perfect_estimate_gives_the_mean_of_all():
    everywhere = torch.randn(5000, generator=torch.Generator().manual_seed(1)).double()
    few = torch.randn(40, generator=torch.Generator().manual_seed(2)).double()
    found = prediction_powered_mean(few, few, everywhere)
    weight = 1 / (1 + 40 / 5000) * float(few.var() / torch.cat([few, everywhere]).var())
    weight = min(1.0, weight)
    wanted = float(few.mean()) + weight * float(everywhere.mean() - few.mean())
    assert found.mean == pytest.approx(wanted)
    assert found.high - found.low < 0.5 * 2 * 1.96 * float(few.std()) / 40**0.5


def test_intervals_cover_however_wrong_the_estimate_is():
    draw, covered, widths = np.random.default_rng(0), 0, []
    for _ in range(400):
        true = draw.normal(0.2, 0.5, 2000)
        guess = 0.7 * true + 0.9 + draw.normal(0, 0.3, 2000)  # off by 0.84 in the mean
        rows = draw.permutation(2000)
        few, rest = rows[:60], rows[60:]
        arrays = [torch.from_numpy(one) for one in (true[few], guess[few], guess[rest])]
        found = prediction_powered_mean(*arrays)
        covered += found.low <= 0.2 <= found.high
        widths.append(found.high - found.low)
    assert covered >= 0.92 * 400
    assert np.mean(widths) < 0.85 * 2 * 1.96 * 0.5 / 60**0.5


def test_what_cannot_be_is_refused():
    two = torch.zeros(2)
    with pytest.raises(ShapeError, match="at least three"):
        prediction_powered_mean(two, two, torch.zeros(9))
